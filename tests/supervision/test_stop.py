"""Stop: in reverse, one at a time, each within its limit; and who may ask for it."""

import asyncio
import math

import pytest

from taskqueue.runtime import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Crash,
    ExitReason,
    Shutdown,
    System,
    stop,
)
from taskqueue.supervision import BRUTAL_KILL, Restart, overview, terminate_child
from taskqueue.testing.actors import HostedCrashTest, TrappingCrashTest

AT_ONCE = 0.01


async def test_children_stop_in_reverse_one_after_the_other(supervised, dummy, journal) -> None:
    children = [dummy(name, TrappingCrashTest).child() for name in "abc"]
    root = await supervised.by(*children)
    journal.take()

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert journal.take() == [
        *("c stopping", "c ended", "b stopping", "b ended", "a stopping", "a ended"),
    ]


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("update"), Crash("boss gone")])
async def test_a_supervisor_ends_with_the_reason_it_is_stopped_with(
    supervised, abc, reason: ExitReason
) -> None:
    root = await supervised.by(abc[0].child())

    ended = await stop(root, reason)

    assert ended == reason
    assert abc[0].life.exit_reason == SHUTDOWN


@pytest.mark.parametrize("reason", [NORMAL, Shutdown("update"), Crash("boss gone")])
async def test_a_supervisor_adopts_the_reason_of_its_parent(
    supervised, abc, dummy, journal, reason: ExitReason
) -> None:
    class Parent(TrappingCrashTest):
        async def on_start(self) -> None:
            await inner.start()
            await super().on_start()

    spec = supervised.below("sub", abc[0].child())
    inner, parent = spec, dummy("parent", Parent)
    await supervised.by(parent.child(restart=Restart.TEMPORARY))
    sub = parent.life.cell.system.names.whereis("sub")

    parent.end(reason)

    assert await sub.ended() == reason
    assert abc[0].life.exit_reason == SHUTDOWN


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, KILLED, Crash("go away")])
async def test_a_supervisor_ignores_exit_signals_of_strangers(
    supervised, abc, system: System, reason: ExitReason
) -> None:
    a, b, c = abc
    root = await supervised.by(supervised.below("sub", a.child()), b.child(), c.child())
    sub = system.names.whereis("sub")

    sub.exit(reason)  # from outside, which is not its parent
    sub.cell.exit(reason, b.life.cell)
    root.cell.exit(reason, a.life.cell)

    assert await supervised.statuses(sub) == {"a": "running"}
    assert await supervised.statuses(root) == {"sub": "running", "b": "running", "c": "running"}


async def test_a_child_that_sends_a_signal_and_lives_on_has_not_ended(
    supervised, abc, journal
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())

    root.cell.exit(Crash("only joking"), a.life.cell)

    assert await supervised.statuses(root) == {"a": "running"}
    assert journal.take() == ["a started"]


async def test_a_linked_stranger_may_end_as_it_likes(supervised, abc, system) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child())
    stranger = await system.spawn(TrappingCrashTest, b)
    root.cell.link(stranger.cell)

    stranger.kill()
    await stranger.ended()

    assert await supervised.statuses(root) == {"a": "running"}


# --- limits ---------------------------------------------------------------------------------------


async def test_a_child_is_killed_at_its_limit(supervised, dummy, journal) -> None:
    a = dummy("a", TrappingCrashTest)
    root = await supervised.by(a.child(shutdown=AT_ONCE))
    a.stall()
    await journal.wait_for("stalling", actor="a")

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert a.life.exit_reason == KILLED


async def test_a_limit_of_zero_asks_and_kills(supervised, dummy, journal) -> None:
    a = dummy("a", TrappingCrashTest)
    root = await supervised.by(a.child(shutdown=0))
    a.stall()
    await journal.wait_for("stalling", actor="a")

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert a.life.exit_reason == KILLED


async def test_a_brutally_killed_child_is_not_asked(supervised, dummy, journal) -> None:
    a, b = dummy("a", TrappingCrashTest), dummy("b", TrappingCrashTest)
    root = await supervised.by(a.child(shutdown=BRUTAL_KILL), b.child())
    journal.take()

    root.exit(SHUTDOWN)
    await root.ended()

    assert journal.take() == ["b stopping", "b ended", "a ended"]
    assert (a.life.exit_reason, b.life.exit_reason) == (KILLED, SHUTDOWN)


@pytest.mark.parametrize("shutdown", [math.inf, 3_600])
async def test_a_child_within_its_limit_is_waited_for(
    supervised, dummy, journal, shutdown: float
) -> None:
    a, b = dummy("a", TrappingCrashTest), dummy("b", TrappingCrashTest)
    root = await supervised.by(a.child(), b.child(shutdown=shutdown))
    b.stall()
    await journal.wait_for("stalling", actor="b")
    journal.take()

    root.exit(SHUTDOWN)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (journal.take(), root.is_alive()) == ([], True)
    b.release()

    assert await root.ended() == SHUTDOWN
    assert journal.take() == ["b stopping", "b ended", "a stopping", "a ended"]
    assert b.life.exit_reason == SHUTDOWN


@pytest.mark.parametrize("shutdown", [AT_ONCE, 0, BRUTAL_KILL])
async def test_a_child_that_swallows_its_cancellation_is_abandoned(
    supervised, abc, journal, system, shutdown
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(shutdown=shutdown))
    b.resist()
    await journal.wait_for("resisting", actor="b")

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert (a.life.exit_reason, b.life.exit_reason) == (SHUTDOWN, KILLED)
    assert system.actors == ()


@pytest.mark.parametrize("shutdown", [AT_ONCE, BRUTAL_KILL])
async def test_a_child_that_blocks_its_thread_is_abandoned(
    supervised, dummy, journal, system, shutdown
) -> None:
    a, b = dummy("a"), dummy("b", HostedCrashTest)
    root = await supervised.by(a.child(), b.child(shutdown=shutdown))
    b.block()
    await journal.wait_for("blocking", actor="b")

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert (a.life.exit_reason, b.life.exit_reason) == (SHUTDOWN, KILLED)
    assert system.actors == ()


async def test_an_abandoned_child_is_replaced_though_its_thread_still_hangs(
    supervised, dummy, journal
) -> None:
    a = dummy("a", HostedCrashTest)
    root = await supervised.by(a.child())
    a.block()
    await journal.wait_for("blocking", actor="a")

    a.life.kill()
    await journal.wait_for("started", actor="a", nth=2)

    assert await supervised.statuses(root) == {"a": "running"}


# --- what happens meanwhile -----------------------------------------------------------------------


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("x"), Crash("x")], ids=str)
async def test_a_child_that_ends_while_another_is_stopped_keeps_its_reason(
    supervised, dummy, journal, restart: Restart, reason: ExitReason
) -> None:
    a, b = dummy("a"), dummy("b", TrappingCrashTest)
    root = await supervised.by(a.child(restart=restart), b.child(shutdown=math.inf))
    b.stall()
    await journal.wait_for("stalling", actor="b")
    journal.take()

    root.exit(SHUTDOWN)
    a.end(reason)
    await a.life.ended()
    b.release()
    await root.ended()

    assert a.life.exit_reason == reason
    assert journal.take() == ["a stopping", "a ended", "b stopping", "b ended"]


async def test_a_supervisor_killed_while_it_stops_a_child_leaves_nobody(
    supervised, dummy, journal, system
) -> None:
    a, b = dummy("a", TrappingCrashTest), dummy("b")
    root = await supervised.by(a.child(), b.child(shutdown=math.inf))
    b.resist()
    await journal.wait_for("resisting", actor="b")
    root.exit(SHUTDOWN)
    await asyncio.sleep(0)

    root.kill()
    assert await root.ended() == KILLED
    b.release()
    await b.life.ended()
    await a.life.ended()

    assert system.actors == ()


async def test_a_second_request_to_stop_changes_nothing(supervised, dummy, journal) -> None:
    a = dummy("a", TrappingCrashTest)
    root = await supervised.by(a.child(shutdown=math.inf))
    a.stall()
    await journal.wait_for("stalling", actor="a")
    journal.take()

    root.exit(SHUTDOWN)
    await asyncio.sleep(0)
    root.exit(Crash("hurry up"))
    a.release()

    assert await root.ended() == SHUTDOWN
    assert journal.take() == ["a stopping", "a ended"]


async def test_calls_wait_while_a_child_is_stopped(supervised, dummy, journal) -> None:
    a = dummy("a", TrappingCrashTest)
    root = await supervised.by(a.child(shutdown=math.inf))
    a.stall()
    await journal.wait_for("stalling", actor="a")

    stopping = asyncio.create_task(terminate_child(root, "a"))
    asking = asyncio.create_task(overview(root))
    await asyncio.sleep(0)
    assert not asking.done()
    a.release()
    await stopping

    [state] = (await asking).children
    assert state.status == "stopped"
