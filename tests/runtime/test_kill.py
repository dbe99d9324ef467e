"""Kill: what cannot be trapped, and what happens to those who do not notice."""

import asyncio
import threading
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import KILLED, System, ask, request, tell
from tests.runtime.puppets import (
    Bug,
    Do,
    DoMeanwhile,
    Hermit,
    Note,
    Puppet,
    Trapper,
    TrappingHermit,
    do,
    heard,
    raising,
)

Logs = list[MutableMapping[str, Any]]


class Stuck:
    """A blocking call that a test can let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self, me: Puppet) -> str:
        """Block."""
        self.entered.set()
        self.release.wait()
        return "late"


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """Return a blocking call; it does not outlive the test."""
    stuck = Stuck()
    yield stuck
    stuck.release.set()


class Undead:
    """Work that swallows its cancellation, until the test is over."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.may_die = False

    async def __call__(self, _: Puppet) -> None:
        """Never end."""
        self.entered.set()
        while not self.may_die:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue


@pytest.fixture
def undead() -> Iterator[Undead]:
    """Return work that swallows its cancellation; that of the test's loop ends it."""
    undead = Undead()
    yield undead
    undead.may_die = True


@pytest.mark.parametrize("kind", [Puppet, Trapper, Hermit, TrappingHermit])
async def test_a_kill_ends_anybody_without_its_stop_hook(
    system: System, kind: type[Puppet]
) -> None:
    stops: list[object] = []
    idle = await system.spawn(kind, on_stop=stops.append)
    busy = await system.spawn(kind, on_stop=stops.append)
    waits = request(busy, Do(work=lambda _: asyncio.Event().wait()))

    idle.kill()
    busy.kill()

    assert await idle.ended() == await busy.ended() == KILLED
    with pytest.raises(ActorUnavailable):
        await waits
    assert stops == []


async def test_a_kill_goes_before_everything_that_waits(system: System) -> None:
    ref = await system.spawn(Puppet)
    replies = [request(ref, Do(work=lambda _: "never")) for _ in range(100)]

    ref.kill()

    for reply in replies:
        with pytest.raises(ActorUnavailable):
            await reply


async def test_killing_twice_or_the_dead_changes_nothing(system: System) -> None:
    ref = await system.spawn(Puppet)

    ref.kill()
    ref.kill()
    assert await ref.ended() == KILLED
    ref.kill()

    assert await ref.ended() == KILLED


async def test_a_kill_may_come_from_any_thread(system: System) -> None:
    ref = await system.spawn(Puppet)

    await asyncio.to_thread(ref.kill)

    assert await ref.ended() == KILLED


async def test_an_actor_may_kill_itself(system: System) -> None:
    closed: list[str] = []

    async def close() -> None:
        await asyncio.sleep(0)
        closed.append("file")

    ref = await system.spawn(Puppet, on_start=lambda me: me.own(close))

    tell(ref, Do(work=lambda me: me.ref.kill()))

    assert await ref.ended() == KILLED
    assert closed == ["file"]


async def test_the_linked_see_killed_and_may_trap_it(system: System) -> None:
    plain, trapping = await system.spawn(Puppet), await system.spawn(Trapper)
    victim = await system.spawn(Puppet)
    for ref in (plain, trapping):
        await do(ref, lambda me: me.link(victim))

    victim.kill()

    assert await plain.ended() == KILLED
    [signal] = await heard(trapping, 1)
    assert signal.reason == KILLED


async def test_a_kill_cuts_a_stop_hook_that_hangs(system: System) -> None:
    entered = asyncio.Event()

    async def hang(_: Puppet) -> None:
        entered.set()
        await asyncio.Event().wait()

    ref = await system.spawn(Trapper, on_stop=hang)
    ref.exit(KILLED)  # the parent's signal, which is trapped
    await entered.wait()
    ref.kill()

    assert await ref.ended() == KILLED


async def test_a_kill_cuts_the_stop_hook_of_a_crash(system: System) -> None:
    entered = asyncio.Event()

    async def hang(_: Puppet) -> None:
        entered.set()
        await asyncio.Event().wait()

    ref = await system.spawn(Puppet, on_stop=hang)
    tell(ref, DoMeanwhile(work=raising(Bug())))
    await entered.wait()
    ref.kill()

    assert await ref.ended() == KILLED


@pytest.mark.parametrize("kind", [Puppet, Hermit])
async def test_who_swallows_its_cancellation_is_abandoned_and_reported(
    impatient: System, logs: Logs, undead: Undead, kind: type[Puppet]
) -> None:
    observer = await impatient.spawn(Trapper)
    ref = await impatient.spawn(kind, "undead")
    await do(observer, lambda me: me.link(ref))
    waits = request(ref, Do(work=undead))
    await asyncio.to_thread(undead.entered.wait)

    ref.kill()

    assert await ref.ended() == KILLED
    assert impatient.names.whereis("undead") is None
    with pytest.raises(ActorUnavailable):
        await waits
    [signal] = await heard(observer, 1)
    assert (signal.sender, signal.reason) == (ref, KILLED)
    assert [log for log in logs if log["log_level"] == "error"] == [
        {"event": "actor_abandoned", "log_level": "error", "actor": "undead", "grace_s": 0.02}
    ]


async def test_who_swallows_its_cancellation_once_ends_in_time(system: System, logs: Logs) -> None:
    entered = asyncio.Event()

    async def swallow_once(_: Puppet) -> str:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "an answer after all"
        raise AssertionError

    ref = await system.spawn(Puppet)
    waits = request(ref, Do(work=swallow_once))
    await entered.wait()
    ref.kill()

    assert await ref.ended() == KILLED
    assert await waits == "an answer after all"
    assert [log for log in logs if log["event"] == "actor_abandoned"] == []


async def test_late_answers_of_an_abandoned_actor_are_refused(
    impatient: System, stuck: Stuck
) -> None:
    ref = await impatient.spawn(Hermit, "stuck")
    handled, waits = request(ref, Do(work=stuck)), request(ref, Do(work=lambda _: "never"))
    await asyncio.to_thread(stuck.entered.wait)

    ref.kill()
    await ref.ended()
    stuck.release.set()
    await impatient.close()

    for reply in (handled, waits):
        with pytest.raises(ActorUnavailable) as error:
            await reply
        assert error.value.cause == KILLED


async def test_an_actor_stuck_in_a_blocking_call_disturbs_nobody_else(
    impatient: System, stuck: Stuck, logs: Logs
) -> None:
    neighbour, other = await impatient.spawn(Puppet), await impatient.spawn(Hermit)
    ref = await impatient.spawn(Hermit, "stuck")
    tell(ref, Do(work=stuck))
    await asyncio.to_thread(stuck.entered.wait)

    ref.kill()

    assert await do(neighbour, lambda _: "near") == "near"
    assert await do(other, lambda _: "far") == "far"
    assert await ref.ended() == KILLED
    successor = await impatient.spawn(Hermit, "stuck")
    assert await do(successor, lambda _: "successor") == "successor"
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["actor_abandoned"]


async def test_the_thread_of_an_abandoned_actor_is_gone_once_it_comes_back(
    impatient: System, stuck: Stuck, logs: Logs
) -> None:
    stops, closed = [], []
    ref = await impatient.spawn(
        Hermit,
        on_start=lambda me: me.own(lambda: closed.append("file")),
        on_stop=stops.append,
    )
    tell(ref, Do(work=stuck))
    tell(ref, Note(text="never heard"))
    await asyncio.to_thread(stuck.entered.wait)
    thread = ref.cell.host.thread
    ref.kill()
    await ref.ended()
    assert thread.is_alive()

    stuck.release.set()
    await asyncio.to_thread(thread.join, 5)

    assert not thread.is_alive()
    assert (stops, closed) == ([], ["file"])
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["actor_abandoned"]


async def test_a_dedicated_host_ends_even_who_swallows_its_cancellation(
    impatient: System, undead: Undead
) -> None:
    ref = await impatient.spawn(Hermit)
    thread = ref.cell.host.thread
    tell(ref, Do(work=undead))
    await asyncio.to_thread(undead.entered.wait)

    ref.kill()
    await ref.ended()

    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_an_abandoned_actor_that_takes_one_more_message_still_answers(
    impatient: System, stuck: Stuck
) -> None:
    ref = await impatient.spawn(Hermit)
    concurrent = request(ref, DoMeanwhile(work=lambda _: asyncio.Event().wait()))
    tell(ref, Do(work=stuck))
    await asyncio.to_thread(stuck.entered.wait)

    ref.kill()
    await ref.ended()
    after = request(ref, Do(work=lambda _: "never"))
    stuck.release.set()

    for reply in (concurrent, after):
        with pytest.raises(ActorUnavailable):
            await reply


async def test_a_closer_that_hangs_does_not_hold_back_the_news(impatient: System) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    ref = await impatient.spawn(Puppet, "leaky", on_start=lambda me: me.own(hang))

    ref.kill()

    assert await ref.ended() == KILLED
    assert impatient.names.whereis("leaky") is None


async def test_asking_while_a_kill_is_under_way_is_answered(system: System) -> None:
    ref = await system.spawn(Puppet)

    ref.kill()

    with pytest.raises(ActorUnavailable):
        await ask(ref, Do(work=lambda _: "never"), timeout_s=None)
