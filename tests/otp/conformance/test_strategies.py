"""Cases 30 to 42: who is restarted with whom, and when a supervisor gives up."""

import gc
import weakref

from taskqueue.runtime import KILLED, SHUTDOWN, ActorRef
from taskqueue.supervision import (
    Restart,
    Started,
    Strategy,
    count_children,
    overview,
    start_instance,
)
from taskqueue.testing.actors import Dummy, TrappingCrashTest
from tests.otp.conformance.support import FOR_EVER, instances, start_all

ONE_FOR_ALL, REST_FOR_ONE = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


# --- one_for_one ----------------------------------------------------------------------------------


async def test_one_for_one(supervised, abc, journal) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(), max_restarts=2)
    first_a, first_b = a.life, b.life

    for nth in (2, 3):
        a.crash()
        await journal.wait_for("started", actor="a", nth=nth)
    assert await supervised.statuses(root) == {"a": "running", "b": "running"}
    assert a.life is not first_a
    assert b.life is first_b
    a.crash()

    assert await root.ended() == SHUTDOWN
    assert b.life.exit_reason == SHUTDOWN


async def test_one_for_one_escalation(supervised, abc, journal) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(), max_restarts=4)
    a.failed_starts = FOR_EVER

    a.crash()

    assert await root.ended() == SHUTDOWN
    assert b.life.exit_reason == SHUTDOWN
    assert len(journal.select("failed", actor="a")) == 4


# --- one_for_all ----------------------------------------------------------------------------------


async def test_one_for_all(supervised, abc, journal) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(), strategy=ONE_FOR_ALL, max_restarts=2)
    first = {a.life, b.life}

    for nth, each in ((2, a), (3, b)):
        each.crash()
        await journal.wait_for("started", actor="b", nth=nth)
    assert (await overview(root)).restarts_in_period == 2
    assert first.isdisjoint({a.life, b.life})
    a.crash()

    assert await root.ended() == SHUTDOWN
    assert b.life.exit_reason == SHUTDOWN


async def test_one_for_all_escalation(supervised, abc, journal) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(), strategy=ONE_FOR_ALL, max_restarts=4)
    b.failed_starts = FOR_EVER

    a.crash()

    assert await root.ended() == SHUTDOWN
    assert len(journal.select("failed", actor="b")) == 4
    assert not a.life.is_alive()


async def test_one_for_all_other_child_fails_restart(supervised, abc, journal) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(), strategy=ONE_FOR_ALL)
    b.failed_starts = 1
    journal.take()

    a.crash()
    await journal.wait_for("started", actor="b", nth=2)

    assert await supervised.statuses(root) == {"a": "running", "b": "running"}
    assert journal.take() == [
        *("a stopping", "a ended", "b ended"),
        *("a started", "b failed"),
        *("a ended", "a started", "b started"),
    ]


# --- simple_one_for_one ---------------------------------------------------------------------------


async def test_simple_one_for_one(instances_of, abc, journal) -> None:
    a, b, _ = abc
    root = await instances_of(max_restarts=1)
    await start_all(root, a, b)
    first_a, first_b = a.life, b.life

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)
    assert await instances(root) == {a.life, first_b}
    assert a.life is not first_a
    b.crash()

    assert await root.ended() == SHUTDOWN
    assert a.life.exit_reason == SHUTDOWN


async def test_simple_one_for_one_shutdown(instances_of, dummy, journal) -> None:
    a, stuck, b = (dummy(name, TrappingCrashTest) for name in ("a", "stuck", "b"))
    root = await instances_of(shutdown=0.5)
    await start_all(root, a, stuck, b)
    for each in (a, stuck, b):
        each.stall()
        await journal.wait_for("stalling", actor=each.name)

    root.exit(SHUTDOWN)
    a.release()
    b.release()

    assert await root.ended() == SHUTDOWN
    assert [each.life.exit_reason for each in (a, stuck, b)] == [SHUTDOWN, KILLED, SHUTDOWN]
    ended = [line["actor"] for line in journal.select("ended")]
    assert ended[-1] == "stuck"  # neither of its neighbours had to wait for it


async def test_simple_one_for_one_extra(instances_of, abc, journal) -> None:
    """Adapted: extra information is a `Started`, in place of a bare reference."""

    async def start(dummy: Dummy) -> Started:
        return Started(await dummy.start(), "extra")

    a, b, _ = abc
    root = await instances_of(start=start, max_restarts=1)
    assert await start_instance(root, a) == Started(a.life, "extra")
    await start_instance(root, b)

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)
    assert await instances(root) == {a.life, b.life}
    b.crash()

    assert await root.ended() == SHUTDOWN


async def test_simple_one_for_one_escalation(instances_of, abc, journal) -> None:
    a, b, _ = abc
    root = await instances_of(max_restarts=4)
    await start_all(root, a, b)
    a.failed_starts = FOR_EVER

    a.crash()

    assert await root.ended() == SHUTDOWN
    assert len(journal.select("failed", actor="a")) == 4
    assert b.life.exit_reason == SHUTDOWN


class Big:
    """An argument that nobody wants to keep."""


async def test_simple_one_for_one_corruption(instances_of, abc) -> None:
    """Adapted: instead of measuring a heap, ask whether the argument is still referred to."""

    async def start(dummy: Dummy, _: Big) -> ActorRef:
        return await dummy.start()

    a, b, _ = abc
    root = await instances_of(start=start, restart=Restart.TEMPORARY)
    await start_instance(root, a, Big())
    a.crash()
    await a.life.ended()

    big = Big()
    kept = weakref.ref(big)
    await start_instance(root, b, big)
    del big
    await count_children(root)  # the message before is let go when the next one is taken
    gc.collect()

    assert b.life.is_alive()
    assert kept() is None


# --- rest_for_one ---------------------------------------------------------------------------------


async def test_rest_for_one(supervised, abc, journal) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(), c.child(), strategy=REST_FOR_ONE, max_restarts=2
    )
    first = a.life
    journal.take()

    b.crash()
    await journal.wait_for("started", actor="c", nth=2)
    assert journal.take() == ["b stopping", "b ended", "c ended", "b started", "c started"]
    assert (await overview(root)).restarts_in_period == 1
    assert a.life is first
    b.crash()
    await journal.wait_for("started", actor="c", nth=3)
    b.crash()

    assert await root.ended() == SHUTDOWN
    assert first.exit_reason == SHUTDOWN


async def test_rest_for_one_escalation(supervised, abc, journal) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(), c.child(), strategy=REST_FOR_ONE, max_restarts=4
    )
    c.failed_starts = FOR_EVER

    b.crash()

    assert await root.ended() == SHUTDOWN
    assert len(journal.select("failed", actor="c")) == 4
    assert a.life.exit_reason == SHUTDOWN


async def test_rest_for_one_other_child_fails_restart(supervised, abc, journal) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(), strategy=REST_FOR_ONE)
    b.failed_starts = 1
    journal.take()

    a.crash()
    await journal.wait_for("started", actor="b", nth=2)

    assert await supervised.statuses(root) == {"a": "running", "b": "running"}
    assert journal.take() == [
        *("a stopping", "a ended", "b ended"),
        *("a started", "b failed"),
        "b started",
    ]
