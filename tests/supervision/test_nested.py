"""Supervisors below supervisors: escalation level by level, and what a kill leaves."""

import asyncio
import math

import pytest

from taskqueue.errors import StartFailed
from taskqueue.runtime import KILLED, NORMAL, SHUTDOWN, Crash, ExitReason, stop
from taskqueue.supervision import (
    ChildStatus,
    FailedToStartChild,
    Restart,
    Strategy,
    Supervisor,
    delete_child,
    overview,
    restart_child,
    start_child,
    terminate_child,
)
from taskqueue.testing.actors import HostedCrashTest, TrappingCrashTest


@pytest.fixture
def sub(system):
    """Return the supervisor called `sub`, who changes."""
    return lambda: system.names.whereis("sub")


async def test_a_supervisor_that_gives_up_is_restarted_with_all_its_children(
    supervised, abc, journal, sub
) -> None:
    a, b, c = abc
    fragile = supervised.below("sub", b.child(), c.child(), flags=supervised.flags(max_restarts=0))
    root = await supervised.by(a.child(), fragile)
    first = sub()
    journal.take()

    b.crash()
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == {"a": "running", "sub": "running"}
    assert first.exit_reason == SHUTDOWN
    assert (await overview(sub())).restarts_in_period == 0
    assert journal.take() == [
        *("b stopping", "b ended", "c ended", "b started", "c started"),
    ]


async def test_trouble_climbs_level_by_level_until_somebody_can_cope(
    supervised, abc, journal, system
) -> None:
    a, b, _ = abc
    none, one = supervised.flags(max_restarts=0), supervised.flags(max_restarts=1)
    inner = supervised.below("inner", a.child(), flags=one)
    outer = supervised.below("outer", inner, b.child(), flags=none)
    root = await supervised.by(outer)
    inner_ref, outer_ref = system.names.whereis("inner"), system.names.whereis("outer")

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)
    assert await supervised.statuses(inner_ref) == {"a": "running"}
    a.crash()
    await journal.wait_for("started", actor="b", nth=2)

    assert (inner_ref.exit_reason, outer_ref.exit_reason) == (SHUTDOWN, SHUTDOWN)
    assert await supervised.statuses(root) == {"outer": "running"}
    assert await supervised.statuses(system.names.whereis("outer")) == {
        "inner": "running",
        "b": "running",
    }


async def test_trouble_that_nobody_copes_with_ends_the_root(supervised, abc, system) -> None:
    a, _, _ = abc
    none = supervised.flags(max_restarts=0)
    inner = supervised.below("inner", a.child(), flags=none)
    root = await supervised.by(supervised.below("outer", inner, flags=none), max_restarts=0)

    a.crash()

    assert await root.ended() == SHUTDOWN
    assert system.actors == ()


@pytest.mark.parametrize(
    ("restart", "left"),
    [(Restart.TRANSIENT, {"sub": "stopped"}), (Restart.TEMPORARY, {})],
)
async def test_a_supervisor_that_is_not_permanent_swallows_escalation(
    supervised, abc, sub, restart: Restart, left: dict[str, str]
) -> None:
    a, b, _ = abc
    fragile = supervised.below(
        "sub", a.child(), flags=supervised.flags(max_restarts=0), restart=restart
    )
    root = await supervised.by(fragile, b.child())

    ended = sub().ended()
    a.crash()
    await ended

    assert await supervised.statuses(root) == left | {"b": "running"}


async def test_added_children_are_gone_and_deleted_ones_back_after_an_escalation(
    supervised, abc, dummy, journal, sub
) -> None:
    a, b, _ = abc
    flags = supervised.flags(max_restarts=0)
    root = await supervised.by(supervised.below("sub", a.child(), b.child(), flags=flags))
    await start_child(sub(), dummy("d").child())
    await terminate_child(sub(), "b")
    await delete_child(sub(), "b")
    assert [*await supervised.statuses(sub())] == ["a", "d"]

    a.crash()
    await journal.wait_for("started", actor="b", nth=2)
    await overview(root)

    assert await supervised.statuses(sub()) == {"a": "running", "b": "running"}


async def test_a_supervisor_restarted_by_hand_begins_from_its_list(
    supervised, abc, dummy, sub
) -> None:
    a, _, _ = abc
    root = await supervised.by(supervised.below("sub", a.child()))
    await start_child(sub(), dummy("d").child())

    await terminate_child(root, "sub")
    await restart_child(root, "sub")

    assert await supervised.statuses(sub()) == {"a": "running"}


async def test_a_supervisor_whose_children_cannot_start_uses_up_its_parents_limit(
    supervised, abc, journal, sub
) -> None:
    a, b, _ = abc
    fragile = supervised.below("sub", a.child(), flags=supervised.flags(max_restarts=0))
    root = await supervised.by(b.child(), fragile, max_restarts=3)
    a.failed_starts = 1_000

    a.crash()

    assert await root.ended() == SHUTDOWN
    assert len(journal.select("failed", actor="a")) == 3
    assert b.life.exit_reason == SHUTDOWN
    assert sub() is None


async def test_a_failure_deep_below_is_named_all_the_way_up(supervised, abc, system) -> None:
    a, b, _ = abc
    b.failed_starts = 1
    inner = supervised.below("inner", a.child(), b.child())

    with pytest.raises(StartFailed) as failed:
        await supervised.by(supervised.below("outer", inner))

    outer = failed.value.cause.detail
    inner_failure = outer.reason.detail
    assert (outer.child_id, inner_failure.child_id) == ("outer", "inner")
    assert inner_failure.reason.detail == FailedToStartChild(child_id="b", reason=b.start_error)
    assert system.actors == ()


# --- a killed supervisor --------------------------------------------------------------------------


async def test_a_killed_supervisor_is_replaced_and_its_orphans_die_of_their_links(
    supervised, dummy, journal, sub
) -> None:
    plain, polite = dummy("plain"), dummy("polite", TrappingCrashTest)
    hosted = dummy("hosted", HostedCrashTest)
    root = await supervised.by(
        supervised.below("sub", plain.child(), polite.child(), hosted.child())
    )
    orphans = [each.life for each in (plain, polite, hosted)]
    killed = sub()

    killed.kill()
    reasons = [await orphan.ended() for orphan in orphans]
    await journal.wait_for("started", actor="hosted", nth=2)

    assert reasons == [KILLED, KILLED, KILLED]
    assert "polite stopping" in journal.take()  # it traps exits, so it may clean up
    assert await supervised.statuses(root) == {"sub": "running"}
    assert await supervised.statuses(sub()) == {
        "plain": "running",
        "polite": "running",
        "hosted": "running",
    }


async def test_below_a_killed_supervisor_another_one_stops_in_order(
    supervised, abc, dummy, journal, system
) -> None:
    a, b, _ = abc
    c = dummy("c", TrappingCrashTest)
    inner = supervised.below("inner", a.child(), c.child(), b.child())
    await supervised.by(supervised.below("outer", inner, restart=Restart.TEMPORARY))
    orphan = system.names.whereis("inner")
    journal.take()

    system.names.whereis("outer").kill()

    assert await orphan.ended() == KILLED
    assert journal.take() == ["b ended", "c stopping", "c ended", "a ended"]
    assert [each.life.exit_reason for each in (a, b, c)] == [SHUTDOWN, SHUTDOWN, SHUTDOWN]


async def test_a_supervisor_killed_at_its_limit_leaves_its_children_to_the_links(
    supervised, dummy, journal, sub
) -> None:
    a, b = dummy("a"), dummy("b", TrappingCrashTest)
    root = await supervised.by(
        supervised.below("sub", a.child(), b.child(shutdown=math.inf), shutdown=0.01)
    )
    b.stall()
    await journal.wait_for("stalling", actor="b")
    supervisor = sub()

    await terminate_child(root, "sub")

    assert supervisor.exit_reason == KILLED
    assert await a.life.ended() == KILLED
    b.release()
    assert (
        await b.life.ended() == SHUTDOWN
    )  # what it had been told before its supervisor was killed


async def test_a_supervisor_is_waited_for_as_long_as_it_takes(
    supervised, dummy, journal, sub
) -> None:
    a = dummy("a", TrappingCrashTest)
    root = await supervised.by(supervised.below("sub", a.child(shutdown=math.inf)))
    a.stall()
    await journal.wait_for("stalling", actor="a")

    stopping = asyncio.create_task(terminate_child(root, "sub"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not stopping.done()
    a.release()
    await stopping

    assert a.life.exit_reason == SHUTDOWN
    assert await supervised.statuses(root) == {"sub": "stopped"}


@pytest.mark.parametrize("strategy", Supervisor.strategies)
async def test_a_whole_tree_stops_from_the_last_leaf_to_the_first(
    supervised, abc, journal, system, strategy: Strategy
) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), supervised.below("sub", b.child(), c.child()), strategy=strategy
    )
    journal.take()

    root.exit(SHUTDOWN)
    await root.ended()

    assert journal.take() == ["c ended", "b ended", "a ended"]
    assert system.actors == ()


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Crash("from outside")], ids=str)
async def test_a_permanent_supervisor_stopped_from_outside_is_simply_restarted(
    supervised, abc, journal, sub, reason: ExitReason
) -> None:
    a, _, _ = abc
    root = await supervised.by(supervised.below("sub", a.child()))

    await stop(sub(), reason)
    await journal.wait_for("started", actor="a", nth=2)

    [state] = (await overview(root)).children
    assert (state.status, state.incarnation) == (ChildStatus.RUNNING, 2)
    assert state.last_exit == reason
