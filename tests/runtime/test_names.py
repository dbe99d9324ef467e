"""Names: unique ones, groups, and that an end frees them all."""

import pytest

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import Names, NameTaken, System, stop
from taskqueue.runtime.exits import NORMAL
from tests.runtime.puppets import Puppet, do


async def test_a_name_finds_its_carrier(system: System) -> None:
    ref = await system.spawn(Puppet, "queue")

    assert system.names.whereis("queue") is ref
    assert system.names.whereis("nobody") is None


async def test_a_name_belongs_to_one(system: System) -> None:
    one, two = await system.spawn(Puppet), await system.spawn(Puppet)
    system.names.register("queue", one)
    system.names.register("queue", one)

    with pytest.raises(NameTaken) as taken:
        system.names.register("queue", two)

    assert (taken.value.name, taken.value.holder) == ("queue", one)


async def test_an_actor_may_carry_several_names_and_an_end_frees_all(system: System) -> None:
    ref = await system.spawn(Puppet, "first")
    system.names.register("second", ref)
    system.names.join("group", ref)

    await stop(ref, NORMAL)

    assert [system.names.whereis(name) for name in ("first", "second")] == [None, None]
    assert system.names.members("group") == ()


async def test_an_end_does_not_free_the_names_of_others(system: System) -> None:
    one, two = await system.spawn(Puppet, "one"), await system.spawn(Puppet, "two")
    for ref in (one, two):
        system.names.join("group", ref)

    await stop(one, NORMAL)

    assert system.names.whereis("two") is two
    assert system.names.members("group") == (two,)


async def test_a_group_holds_each_member_once_in_the_order_of_joining(system: System) -> None:
    refs = [await system.spawn(Puppet) for _ in range(3)]
    for ref in (*refs, *refs):
        system.names.join("group", ref)

    assert system.names.members("group") == tuple(refs)
    assert system.names.members("nobody's") == ()


async def test_an_actor_joins_groups_and_sees_their_members(system: System) -> None:
    one, two = await system.spawn(Puppet), await system.spawn(Puppet)

    await do(one, lambda me: me.join("group"))
    await do(two, lambda me: me.join("group"))

    assert await do(one, lambda me: me.members("group")) == (one, two)


async def test_a_group_and_a_unique_name_may_read_the_same(system: System) -> None:
    one, two = await system.spawn(Puppet, "workers"), await system.spawn(Puppet)
    system.names.join("workers", one)
    system.names.join("workers", two)

    await stop(one, NORMAL)

    assert system.names.whereis("workers") is None
    assert system.names.members("workers") == (two,)


async def test_the_dead_get_no_names(system: System) -> None:
    ref = await system.spawn(Puppet)
    await stop(ref, NORMAL)

    with pytest.raises(ActorUnavailable):
        system.names.register("ghost", ref)
    with pytest.raises(ActorUnavailable):
        system.names.join("ghosts", ref)

    assert system.names.whereis("ghost") is None
    assert system.names.members("ghosts") == ()


async def test_a_name_given_at_construction_is_carried(system: System) -> None:
    class Fixed(Puppet):
        def __init__(self) -> None:
            super().__init__()
            self.registered_name = "fixed"

    ref = await system.spawn(Fixed)

    assert system.names.whereis("fixed") is ref
    assert (ref.label, str(ref)) == ("fixed", "fixed")


async def test_an_actor_without_a_name_is_called_by_its_label_or_its_class(
    system: System,
) -> None:
    class Labelled(Puppet):
        label = "a label"

    plain, labelled = await system.spawn(Puppet), await system.spawn(Labelled)

    assert plain.label.startswith("Puppet-")
    assert labelled.label == "a label"
    assert system.names.whereis("a label") is None


async def test_systems_do_not_share_names(system: System) -> None:
    async with System() as other:
        here, there = await system.spawn(Puppet, "x"), await other.spawn(Puppet, "x")

        assert system.names.whereis("x") is here
        assert other.names.whereis("x") is there


def test_releasing_somebody_without_names_does_nothing() -> None:
    Names().release(object())  # type: ignore[arg-type]
