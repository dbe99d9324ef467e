"""Cases 23 to 29: the child API, the checks of what a supervisor is given, and its period."""

from itertools import product

import pytest

from taskqueue.errors import ActorUnavailable, StartFailed
from taskqueue.runtime import SHUTDOWN, Actor
from taskqueue.supervision import (
    BRUTAL_KILL,
    AlreadyStarted,
    ChildSpec,
    ChildType,
    Flags,
    Intensity,
    Restart,
    SimpleOneForOne,
    Started,
    Supervisor,
    check_childspecs,
    delete_child,
    overview,
    restart_child,
    start_child,
    start_instance,
    terminate_child,
    which_children,
)
from tests.otp.conformance.support import (
    counts,
    fault,
    instances,
    play,
    refusal,
)


async def test_child_adm(supervised, abc, system) -> None:
    a, _, _ = abc
    root = await supervised.by()
    with pytest.raises(ActorUnavailable):
        await which_children(system.address("nobody"))
    for call in (terminate_child, restart_child, delete_child):
        assert await refusal(call(root, "a")) == "not_found"

    ref = await start_child(root, a.child())
    with pytest.raises(AlreadyStarted) as present:
        await start_child(root, a.child())
    assert present.value.ref is ref
    assert await counts(root) == [1, 1, 0, 1]
    assert await refusal(delete_child(root, "a")) == "running"
    assert await refusal(restart_child(root, "a")) == "running"
    assert await refusal(terminate_child(root, ref)) == "not_found"

    await terminate_child(root, "a")
    await terminate_child(root, "a")
    assert ref.exit_reason == SHUTDOWN
    assert await supervised.statuses(root) == {"a": "stopped"}
    assert await counts(root) == [1, 0, 0, 1]
    assert await refusal(start_child(root, a.child())) == "already_present"

    again = await restart_child(root, "a")
    assert again is not ref
    assert await refusal(restart_child(root, "a")) == "running"
    assert await counts(root) == [1, 1, 0, 1]

    await terminate_child(root, "a")
    await delete_child(root, "a")
    for call in (terminate_child, restart_child, delete_child):
        assert await refusal(call(root, "a")) == "not_found"
    assert await counts(root) == [0, 0, 0, 0]


async def test_child_adm_simple(instances_of, abc, system) -> None:
    a, b, _ = abc
    root = await instances_of()
    stranger = await system.spawn(Actor)
    assert await counts(root) == [1, 0, 0, 0]

    first, second = await start_instance(root, a), await start_instance(root, b)
    assert await instances(root) == {first, second}
    assert await counts(root) == [1, 2, 0, 2]
    for call in (terminate_child, restart_child, delete_child):
        assert await refusal(call(root, "dummy")) == "simple_one_for_one"

    await terminate_child(root, first)
    await terminate_child(root, first)
    assert first.exit_reason == SHUTDOWN
    assert await instances(root) == {second}
    assert await counts(root) == [1, 1, 0, 1]

    assert await refusal(terminate_child(root, stranger)) == "not_found"
    assert stranger.is_alive()


async def test_extra_return(supervised, abc, journal) -> None:
    """Adapted: extra information is a `Started`, in place of a bare reference."""
    a, _, _ = abc

    async def start() -> Started:
        return Started(await a.start(), "extra")

    root = await supervised.by(ChildSpec(id="a", start=start))
    await terminate_child(root, "a")
    restarted = await restart_child(root, "a")
    assert restarted == Started(a.life, "extra")

    a.crash()
    await journal.wait_for("started", actor="a", nth=3)
    assert await supervised.statuses(root) == {"a": "running"}

    await terminate_child(root, "a")
    await delete_child(root, "a")
    started = await start_child(root, ChildSpec(id="a", start=start))
    assert started == Started(a.life, "extra")


RIGHT = {"id": "a", "start": play}
WRONG = (
    ({"id": ""}, "missing_id"),
    ({"start": "play"}, "invalid_mfa"),
    ({"restart": "always"}, "invalid_restart_type"),
    ({"type": "robot"}, "invalid_child_type"),
    ({"shutdown": -1}, "invalid_shutdown"),
    ({"shutdown": "soon"}, "invalid_shutdown"),
    ({"significant": "yes"}, "invalid_significant"),
)


def check_legal_combinations() -> None:
    """Make a specification of every combination of legal values, and check it."""
    for restart, shutdown, kind in product(Restart, (0, 1.5, BRUTAL_KILL), ChildType):
        check_childspecs([ChildSpec(**RIGHT, restart=restart, shutdown=shutdown, type=kind)])


async def test_child_specs(system) -> None:
    """Adapted: a specification is a value of one class, which cannot be made wrong."""
    for wrong, tag in WRONG:
        assert fault(lambda options=wrong: ChildSpec(**RIGHT | options)) == tag

    check_legal_combinations()
    spec, other = ChildSpec(**RIGHT), ChildSpec(**RIGHT | {"id": "b"})
    check_childspecs([spec, other])
    assert fault(lambda: check_childspecs([spec, spec])) == "duplicate_child_name"
    for children in ([], [spec, other]):
        with pytest.raises(StartFailed) as failed:
            await system.spawn(SimpleOneForOne, "root", children)
        assert failed.value.cause.cause.tag == "bad_start_spec"


async def test_child_specs_map(supervised, system) -> None:
    significant = {"restart": "transient", "significant": True}
    root = await supervised.by()

    for wrong, tag in WRONG[1:]:  # an empty text is a key that is there
        given = RIGHT | wrong
        assert await refusal(start_child(root, given)) == tag
        assert fault(lambda given=given: check_childspecs([given])) == tag
        with pytest.raises(StartFailed) as failed:
            await system.spawn(Supervisor, "other", [given])
        assert failed.value.cause.cause.value.tag == tag
    for optional in ({}, {"restart": "temporary"}, {"shutdown": 0}, {"type": "supervisor"}):
        check_childspecs([RIGHT | optional])

    assert await refusal(start_child(root, RIGHT | significant)) == "bad_combination"
    for permanent in ({"significant": True}, {"significant": True, "restart": "permanent"}):
        assert fault(lambda more=permanent: check_childspecs([RIGHT | more])) == "bad_combination"
    check_childspecs([RIGHT | significant])
    check_childspecs([RIGHT | significant], "any_significant")
    check_childspecs([RIGHT | significant], "all_significant")
    assert fault(lambda: check_childspecs([RIGHT | significant], "never")) == "bad_combination"
    assert fault(lambda: check_childspecs([RIGHT], "sometimes")) == "badarg"


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        ({"strategy": "all_for_one"}, "invalid_strategy"),
        ({"intensity": -1}, "invalid_intensity"),
        ({"intensity": "few"}, "invalid_intensity"),
        ({"period": 0}, "invalid_period"),
        ({"period": float("inf")}, "invalid_period"),
        ({"auto_shutdown": "sometimes"}, "invalid_auto_shutdown"),
        ({"intensty": 1}, "unknown_key"),
        ("nonsense", "invalid_type"),
    ],
)
async def test_sup_flags(system, given: object, tag: str) -> None:
    """Adapted: wrong `Flags` cannot be made, and an unknown flag is refused."""
    with pytest.raises(StartFailed) as failed:
        await system.spawn(Supervisor, "root", [], given)

    wrong = failed.value.cause.cause
    assert (wrong.tag, wrong.value.tag) == ("supervisor_data", tag)
    assert fault(lambda: Intensity(max_restarts=-1)) == "invalid_intensity"
    assert fault(lambda: Intensity(period_s=0)) == "invalid_period"
    assert fault(lambda: Flags(strategy="all_for_one")) == "invalid_strategy"
    assert fault(lambda: Flags(auto_shutdown="sometimes")) == "invalid_auto_shutdown"


async def test_multiple_restarts(supervised, abc, clock, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(), max_restarts=1, period_s=1)

    for crashes in range(1, 5):
        a.crash()
        await journal.wait_for("started", actor="a", nth=crashes + 1)
        assert (await overview(root)).restarts_in_period == 1
        clock.advance(2.1)

    await terminate_child(root, "a")
    await delete_child(root, "a")
    assert await counts(root) == [0, 0, 0, 0]
