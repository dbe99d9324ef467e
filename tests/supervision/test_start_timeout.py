"""Limits on starts: one that takes too long has failed, and leaves nobody behind. Virtual time."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from taskqueue.errors import StartFailed, StartTimeout
from taskqueue.runtime import SHUTDOWN, Actor, ActorRef, Crash, Reply, System
from taskqueue.supervision import (
    ChildSpec,
    ChildStartFailed,
    DynamicSupervisor,
    InvalidSpec,
    SimpleOneForOne,
    check_childspecs,
    count_children,
    overview,
    restart_child,
    start_child,
    start_instance,
    terminate_child,
    which_child,
)

LIMIT_S = 2.0
LONG = 1_000.0  # in virtual time


class Slow(Actor):
    """Takes as long to start as it is told to."""

    registered_name = "slow"

    def __init__(self, takes_s: float) -> None:
        super().__init__()
        self._takes_s = takes_s

    async def on_start(self) -> None:
        await asyncio.sleep(self._takes_s)


def slow(takes_s: float, **options: object) -> ChildSpec:
    return ChildSpec(
        id="slow", start=lambda: Slow.start_link(takes_s), start_timeout_s=LIMIT_S, **options
    )


def limit_of(error: ChildStartFailed | StartFailed) -> float:
    """Return the limit that a start is said to have passed."""
    reason = error.reason if isinstance(error, ChildStartFailed) else error.cause.detail.reason
    assert isinstance(reason, Crash)
    assert isinstance(reason.cause, StartTimeout)
    return reason.cause.limit_s


@pytest.fixture
async def root(supervised) -> AsyncIterator[ActorRef]:
    """An empty supervisor, which nobody may be left behind of but itself."""
    root = await supervised.by()
    yield root
    assert not root.is_alive() or (await count_children(root)).active == 0


@pytest.mark.parametrize("wrong", [0, -1, math.inf, math.nan, "2", True])
def test_a_limit_that_is_no_time_is_refused(wrong: object) -> None:
    for given in ({"start_timeout_s": wrong}, {"start_timeout_s": wrong, "backoff": 3}):
        with pytest.raises(InvalidSpec) as refused:
            check_childspecs([{"id": "a", "start": pytest.fail} | given])

        assert (refused.value.tag, str(refused.value.value)) == (
            "invalid_start_timeout",
            str(wrong),
        )


async def test_a_start_within_its_limit_is_a_start(supervised, system, clock) -> None:
    root = await supervised.by(slow(1.9))

    await asyncio.sleep(LONG)

    assert await supervised.statuses(root) == {"slow": "running"}
    assert system.names.whereis("slow").is_alive()


async def test_a_start_that_takes_longer_fails_at_its_limit(root, system, clock) -> None:
    began_at = clock.now()

    with pytest.raises(ChildStartFailed) as failed:
        await start_child(root, slow(LONG))

    assert limit_of(failed.value) == LIMIT_S
    assert "StartTimeout: not done within 2 s" in str(failed.value)
    assert clock.now() - began_at == LIMIT_S
    assert system.names.whereis("slow") is None
    assert system.actors == (root,)
    assert (await overview(root)).children == ()


async def test_a_supervisor_whose_child_takes_longer_does_not_start(
    supervised, system, abc
) -> None:
    a, _, _ = abc

    with pytest.raises(StartFailed) as failed:
        await supervised.by(a.child(), slow(LONG))

    assert limit_of(failed.value) == LIMIT_S
    assert a.life.exit_reason == SHUTDOWN
    assert system.actors == ()


async def test_a_restart_that_takes_longer_is_a_failed_attempt_that_counts(
    supervised, abc, journal, clock
) -> None:
    a, b, _ = abc
    root = await supervised.by(
        a.child(start_timeout_s=LIMIT_S), b.child(), max_restarts=3, period_s=60
    )
    a.hold_starts()
    crashed_at = clock.now()

    a.crash()

    assert await root.ended() == SHUTDOWN
    assert clock.now() - crashed_at == 3 * LIMIT_S
    assert len(journal.select("starting", actor="a")) == 3
    assert b.life.exit_reason == SHUTDOWN


async def test_it_runs_again_once_a_restart_is_fast_enough(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(start_timeout_s=LIMIT_S))
    a.hold_starts()
    a.crash()
    await journal.wait_for("starting", actor="a", nth=2, timeout_s=LONG)

    a.release()

    await journal.wait_for("started", actor="a", nth=2)
    assert (await which_child(root, "a")).status == "running"


async def test_restart_child_fails_and_the_child_stays_as_it_was(supervised, abc) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(start_timeout_s=LIMIT_S))
    await terminate_child(root, "a")
    a.hold_starts()

    with pytest.raises(ChildStartFailed) as failed:
        await restart_child(root, "a")

    assert limit_of(failed.value) == LIMIT_S
    assert await supervised.statuses(root) == {"a": "stopped"}


async def test_the_children_of_dynamic_supervisors_have_limits_too(system) -> None:
    children = await system.spawn(DynamicSupervisor, "children")
    template = ChildSpec(id="slow", start=Slow.start_link, start_timeout_s=LIMIT_S)
    instances = await system.spawn(SimpleOneForOne, "instances", [template])

    with pytest.raises(ChildStartFailed) as of_child:
        await start_child(children, slow(LONG))
    with pytest.raises(ChildStartFailed) as of_instance:
        await start_instance(instances, LONG)

    assert limit_of(of_child.value) == limit_of(of_instance.value) == LIMIT_S
    assert set(system.actors) == {children, instances}


async def test_whomever_a_late_start_function_had_started_is_killed(root, system) -> None:
    async def start() -> ActorRef:
        first = await Slow.start_link(0)
        await asyncio.sleep(LONG)
        return first

    with pytest.raises(ChildStartFailed) as failed:
        await start_child(root, ChildSpec(id="a", start=start, start_timeout_s=LIMIT_S))

    assert limit_of(failed.value) == LIMIT_S
    assert system.names.whereis("slow") is None
    assert system.actors == (root,)


async def test_those_whom_other_start_functions_started_live_on(root, system) -> None:
    helpers = []

    async def with_helper() -> ActorRef:
        helpers.append(await Actor.start_link())
        return await Actor.start_link()

    ref = await start_child(root, ChildSpec(id="a", start=with_helper, start_timeout_s=LIMIT_S))
    with pytest.raises(ChildStartFailed):
        await start_child(root, slow(LONG))

    assert set(system.actors) == {root, ref, *helpers}
    await terminate_child(root, "a")


@pytest.mark.parametrize("swallowed", ["returns", "raises"])
async def test_a_late_start_function_that_swallows_its_cancellation_has_failed(
    root, system, swallowed: str
) -> None:
    async def start() -> ActorRef:
        ref = await Slow.start_link(0)
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            if swallowed == "raises":
                raise ValueError("tired of waiting") from None
        return ref

    with pytest.raises(ChildStartFailed) as failed:
        await start_child(root, ChildSpec(id="a", start=start, start_timeout_s=LIMIT_S))

    assert limit_of(failed.value) == LIMIT_S
    assert system.actors == (root,)


async def test_an_actor_that_does_not_notice_is_abandoned_and_its_name_is_free(
    root, system, events
) -> None:
    class Deaf(Slow):
        async def on_start(self) -> None:
            while not released.done():
                try:
                    await released
                except asyncio.CancelledError:
                    continue

    released: Reply[None] = Reply()
    spec = ChildSpec(id="a", start=lambda: Deaf.start_link(0), start_timeout_s=LIMIT_S)

    with pytest.raises(ChildStartFailed) as failed:
        await start_child(root, spec)

    assert limit_of(failed.value) == LIMIT_S
    assert events.select("actor_abandoned", actor="slow")
    assert system.names.whereis("slow") is None
    released.set()


async def test_a_whole_tree_that_takes_longer_is_gone(root, supervised, abc, system) -> None:
    a, b, _ = abc
    b.hold_starts()
    below = supervised.below("below", a.child(), b.child(), start_timeout_s=LIMIT_S)

    with pytest.raises(ChildStartFailed) as failed:
        await start_child(root, below)
    await a.life.ended()

    assert limit_of(failed.value) == LIMIT_S
    assert system.names.whereis("below") is None
    assert system.actors == (root,)


async def test_a_timeout_of_the_start_functions_own_is_told_as_its_own(root) -> None:
    async def start() -> ActorRef:
        raise TimeoutError("the server does not answer")

    with pytest.raises(ChildStartFailed) as failed:
        await start_child(root, ChildSpec(id="a", start=start, start_timeout_s=LIMIT_S))

    assert str(failed.value.reason) == "TimeoutError: the server does not answer"


async def test_a_supervisor_killed_during_a_start_is_killed_at_once(
    root, system: System, clock
) -> None:
    began_at = clock.now()
    call = asyncio.create_task(start_child(root, slow(LONG)))
    await asyncio.sleep(1)

    root.kill()
    await root.ended()
    await asyncio.gather(call, return_exceptions=True)

    assert clock.now() - began_at == 1
    assert system.actors == ()
