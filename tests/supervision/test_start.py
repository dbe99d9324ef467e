"""Start: one after the other, and all or nothing."""

import asyncio

import pytest

from taskqueue.errors import StartFailed
from taskqueue.runtime import (
    KILLED,
    NOPROC,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    Request,
    Shutdown,
    ask,
    receives,
    stop,
)
from taskqueue.supervision import (
    ChildSpec,
    FailedToStartChild,
    InvalidSpec,
    Restart,
    Started,
    overview,
)
from taskqueue.testing.actors import HostedCrashTest, TrappingCrashTest


async def test_children_start_in_order_and_the_start_returns_when_all_run(
    supervised, abc, journal
) -> None:
    root = await supervised.by(*(each.child() for each in abc))

    assert journal.take() == ["a started", "b started", "c started"]
    assert await supervised.statuses(root) == {"a": "running", "b": "running", "c": "running"}


async def test_the_next_child_waits_until_the_one_before_has_started(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    a.hold_starts()

    starting = asyncio.create_task(supervised.by(a.child(), b.child()))
    await journal.wait_for("starting", actor="a")
    assert journal.take() == ["a starting"]
    a.release()
    await starting

    assert journal.take() == ["a started", "b started"]


async def test_a_child_that_fails_stops_those_before_it_in_reverse_and_is_named(
    supervised, abc, dummy, journal, system
) -> None:
    a, b, c = abc
    c.failed_starts = 1
    d = dummy("d")

    with pytest.raises(StartFailed) as failed:
        await supervised.by(a.child(), b.child(), c.child(), d.child())

    detail = FailedToStartChild(child_id="c", reason=c.start_error)
    assert failed.value.cause == Shutdown(detail)
    assert str(failed.value) == "root did not start: " + f"shutdown: {detail}"
    assert journal.take() == ["a started", "b started", "c failed", "b ended", "a ended"]
    assert system.actors == ()


@pytest.mark.parametrize("restart", Restart)
async def test_the_first_start_is_never_tried_again(
    supervised, abc, journal, restart: Restart
) -> None:
    a, _, _ = abc
    a.failed_starts = 1

    with pytest.raises(StartFailed):
        await supervised.by(a.child(restart=restart))

    assert journal.take() == ["a failed"]


async def test_an_ignored_child_is_kept_but_a_temporary_one_is_dropped(supervised, abc) -> None:
    a, b, c = abc
    a.ignored_starts = b.ignored_starts = 1

    root = await supervised.by(a.child(), b.child(restart=Restart.TEMPORARY), c.child())

    assert await supervised.statuses(root) == {"a": "stopped", "c": "running"}


async def test_a_supervisor_stops_well_after_a_child_was_ignored(supervised, abc) -> None:
    a, b, _ = abc
    a.ignored_starts = 1
    root = await supervised.by(a.child(), b.child())

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN


async def test_a_supervisor_without_children_starts_and_stops(supervised) -> None:
    root = await supervised.by()

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN


async def test_a_list_is_checked_before_anything_of_it_starts(supervised, abc, journal) -> None:
    a, _, _ = abc

    with pytest.raises(StartFailed) as failed:
        await supervised.by(a.child(), a.child())

    assert isinstance(failed.value.__cause__, InvalidSpec)
    assert str(failed.value.__cause__) == "start_spec: duplicate_child_name: 'a'"
    assert journal.take() == []


async def test_a_child_that_dies_while_later_ones_start_is_restarted_when_all_are_up(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    b.hold_starts()
    starting = asyncio.create_task(supervised.by(a.child(), b.child()))
    await journal.wait_for("starting", actor="b")

    a.crash()
    await a.life.ended()
    b.release()
    root = await starting
    await journal.wait_for("started", actor="a", nth=2)

    assert journal.take() == [
        *("a started", "b starting", "a stopping", "a ended", "b started", "a started"),
    ]
    assert await supervised.statuses(root) == {"a": "running", "b": "running"}


class Plain(Actor):
    """An actor that does nothing."""


async def nonsense() -> object:
    return "no actor"


async def cancelled() -> object:
    raise asyncio.CancelledError


async def started_nonsense() -> object:
    return Started("no actor", info=None)


@pytest.mark.parametrize("start", [nonsense, started_nonsense, cancelled, lambda: None])
async def test_a_start_function_that_gives_no_actor_has_failed(supervised, start) -> None:
    with pytest.raises(StartFailed) as failed:
        await supervised.by(ChildSpec(id="odd", start=start))

    detail = failed.value.cause.detail
    assert detail.child_id == "odd"
    assert isinstance(detail.reason, Crash)


async def test_a_supervisor_that_failed_to_start_frees_its_name(supervised, abc, system) -> None:
    a, _, _ = abc
    a.failed_starts = 1
    with pytest.raises(StartFailed):
        await supervised.by(a.child())

    root = await supervised.by(a.child())

    assert system.names.whereis("root") is root


@pytest.mark.parametrize("kind", [TrappingCrashTest, HostedCrashTest])
async def test_a_supervisor_killed_while_a_child_starts_leaves_nobody(
    supervised, dummy, journal, system, kind
) -> None:
    a, b = dummy("a", kind), dummy("b", kind)
    b.hold_starts()
    starting = asyncio.create_task(supervised.by(a.child(), b.child()))
    await journal.wait_for("starting", actor="b")

    system.names.whereis("root").kill()
    with pytest.raises(StartFailed):
        await starting
    await a.life.ended()

    assert system.actors == ()


async def test_a_cancelled_start_leaves_nobody(supervised, abc, journal, system) -> None:
    a, b, _ = abc
    b.hold_starts()
    starting = asyncio.create_task(supervised.by(a.child(), b.child()))
    await journal.wait_for("starting", actor="b")

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await a.life.ended()

    assert system.actors == ()


async def test_a_supervisor_told_to_stop_while_a_child_starts_stops_when_it_has_started(
    supervised, abc, journal, system
) -> None:
    a, b, _ = abc
    b.hold_starts()
    starting = asyncio.create_task(supervised.by(a.child(), b.child()))
    await journal.wait_for("starting", actor="b")
    root = system.names.whereis("root")

    root.exit(SHUTDOWN)
    b.release()
    await starting

    assert await root.ended() == SHUTDOWN
    assert journal.take() == ["a started", "b starting", "b started", "b ended", "a ended"]
    assert system.actors == ()


async def test_a_supervisor_killed_while_it_restarts_a_child_leaves_nobody(
    supervised, abc, journal, system
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child())
    a.hold_starts()
    a.crash()
    await journal.wait_for("starting", actor="a")

    root.kill()
    await root.ended()
    await b.life.ended()

    assert system.actors == ()


async def test_an_actor_that_a_failing_start_function_left_behind_goes_with_its_supervisor(
    system, supervised
) -> None:
    left = []

    async def leave_one() -> object:
        left.append(await Plain.start_link())
        raise ValueError("and then this")

    with pytest.raises(StartFailed):
        await supervised.by(ChildSpec(id="a", start=leave_one))
    await left[0].ended()

    assert system.actors == ()


async def test_extra_information_does_not_matter_at_the_first_start(supervised, abc) -> None:
    a, _, _ = abc

    async def start() -> Started:
        return Started(await a.start(), info="extra")

    root = await supervised.by(ChildSpec(id="a", start=start))

    [state] = (await overview(root)).children
    assert state.ref is a.life


class Make(Request[ActorRef]):
    """Start an actor."""


class Trapping(Actor):
    """Has a stop hook, which runs only if its parent tells it to shut down."""

    trap_exit = True
    stopped = 0

    def on_stop(self) -> None:
        type(self).stopped += 1


@pytest.fixture
def trapping() -> type[Trapping]:
    return type("OneTrapping", (Trapping,), {})


async def test_a_child_that_its_start_function_did_not_link_is_restarted(
    supervised, system, trapping, events
) -> None:
    root = await supervised.by(ChildSpec(id="a", start=lambda: system.spawn(trapping)))
    [first] = [child.ref for child in (await overview(root)).children]

    first.exit(Crash("boom"))
    first.kill()

    await events.wait_for("child_restarted", child_id="a")
    [second] = [child.ref for child in (await overview(root)).children]
    assert second is not first
    assert second.is_alive()


async def test_a_child_that_its_start_function_did_not_link_stops_as_any_other(
    supervised, system, trapping
) -> None:
    root = await supervised.by(ChildSpec(id="a", start=lambda: system.spawn(trapping)))
    [child] = [child.ref for child in (await overview(root)).children]

    await stop(root, SHUTDOWN)

    assert await child.ended() == SHUTDOWN
    assert trapping.stopped == 1


async def test_a_child_that_its_start_function_did_not_link_dies_with_a_killed_supervisor(
    supervised, system
) -> None:
    root = await supervised.by(ChildSpec(id="a", start=lambda: system.spawn(Actor)))
    [child] = [child.ref for child in (await overview(root)).children]

    root.kill()

    assert await child.ended() == KILLED


@pytest.mark.parametrize("wait", [True, False])
async def test_a_child_that_is_dead_before_it_is_linked_has_not_started(
    supervised, system, *, wait: bool
) -> None:
    async def start_dead() -> ActorRef:
        ref = await system.spawn(Actor)
        ref.kill()
        if wait:
            await ref.ended()
        return ref

    with pytest.raises(StartFailed) as failed:
        await supervised.by(ChildSpec(id="a", start=start_dead))

    assert failed.value.cause == Shutdown(FailedToStartChild(child_id="a", reason=NOPROC))


async def test_a_child_that_another_actor_started_is_linked_and_keeps_its_parent(
    supervised, system, events
) -> None:
    class Factory(Actor):
        @receives(Make)
        async def on_make(self, _: Make) -> ActorRef:
            return await Actor.start_link()

    factory = await system.spawn(Factory)
    root = await supervised.by(ChildSpec(id="a", start=lambda: ask(factory, Make())))
    [child] = [child.ref for child in (await overview(root)).children]

    child.kill()

    restarted = await events.wait_for("child_start_failed", child_id="a")
    assert "factory" in restarted["reason"].lower()
    assert await factory.ended() == KILLED


async def test_a_supervisor_is_no_child_of_itself(supervised, system) -> None:
    async def start_nothing() -> ActorRef:
        return system.names.whereis("root")

    with pytest.raises(StartFailed) as failed:
        await supervised.by(ChildSpec(id="a", start=start_nothing))

    assert failed.value.cause == Shutdown(FailedToStartChild(child_id="a", reason=NOPROC))
