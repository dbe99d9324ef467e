"""Cases 16 to 22: how children are stopped, and what reasons that leaves."""

import math

import pytest

from taskqueue.runtime import KILLED, NORMAL, SHUTDOWN, Crash, ExitReason, Shutdown
from taskqueue.supervision import BRUTAL_KILL, Restart
from taskqueue.testing.actors import TrappingCrashTest
from tests.otp.conformance.support import start_all

AT_ONCE_S = 0.01
REASONS = (NORMAL, SHUTDOWN, Shutdown("told"), Crash("odd"))


async def test_sup_stop_infinity(supervised, abc) -> None:
    a, b, _ = abc
    sub = supervised.below("sub", b.child(), shutdown=math.inf)
    root = await supervised.by(a.child(shutdown=math.inf), sub)

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert (a.life.exit_reason, b.life.exit_reason) == (SHUTDOWN, SHUTDOWN)


async def test_sup_stop_timeout(supervised, dummy, journal) -> None:
    a, b = dummy("a", TrappingCrashTest), dummy("b", TrappingCrashTest)
    root = await supervised.by(a.child(shutdown=AT_ONCE_S), b.child())
    a.stall()
    await journal.wait_for("stalling", actor="a")

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert (a.life.exit_reason, b.life.exit_reason) == (KILLED, SHUTDOWN)


async def test_sup_stop_timeout_dynamic(instances_of, abc, dummy, journal) -> None:
    slow = dummy("slow", TrappingCrashTest)
    root = await instances_of(shutdown=AT_ONCE_S)
    await start_all(root, slow, abc[0])
    slow.stall()
    await journal.wait_for("stalling", actor="slow")

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert (slow.life.exit_reason, abc[0].life.exit_reason) == (KILLED, SHUTDOWN)


async def test_sup_stop_brutal_kill(supervised, dummy, journal) -> None:
    a, b = dummy("a", TrappingCrashTest), dummy("b", TrappingCrashTest)
    root = await supervised.by(a.child(shutdown=BRUTAL_KILL), b.child())
    journal.take()

    root.exit(SHUTDOWN)
    await root.ended()

    assert (a.life.exit_reason, b.life.exit_reason) == (KILLED, SHUTDOWN)
    assert journal.take() == ["b stopping", "b ended", "a ended"]  # nobody asked `a`


async def test_sup_stop_brutal_kill_dynamic(instances_of, dummy, journal) -> None:
    ten = [dummy(f"d{n}", TrappingCrashTest) for n in range(10)]
    root = await instances_of(shutdown=BRUTAL_KILL)
    await start_all(root, *ten)

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert {each.life.exit_reason for each in ten} == {KILLED}
    assert journal.select("stopping") == []


@pytest.mark.parametrize("restart", Restart)
async def test_sup_stop_race(supervised, dummy, journal, restart: Restart) -> None:
    slow = dummy("slow", TrappingCrashTest)
    others = [dummy(f"d{n}") for n in range(len(REASONS))]
    root = await supervised.by(
        *(each.child(restart=restart) for each in others), slow.child(shutdown=math.inf)
    )
    slow.stall()
    await journal.wait_for("stalling", actor="slow")

    root.exit(SHUTDOWN)
    for each, reason in zip(others, REASONS, strict=True):
        each.end(reason)
        await each.life.ended()
    slow.release()

    assert await root.ended() == SHUTDOWN
    assert tuple(each.life.exit_reason for each in others) == REASONS
    assert len(journal.select("started")) == len(others) + 1


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("reason", REASONS, ids=str)
async def test_sup_stop_non_shutdown_exit_dynamic(
    instances_of, dummy, journal, restart: Restart, reason: ExitReason
) -> None:
    pair = [dummy(name, TrappingCrashTest) for name in "ab"]
    for each in pair:
        each.last_words = reason
    root = await instances_of(restart=restart)
    await start_all(root, *pair)

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert [each.life.exit_reason for each in pair] == [reason, reason]
    assert len(journal.select("started")) == len(pair)
