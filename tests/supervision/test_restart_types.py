"""Permanent, transient, temporary: real actors that end in every way there is."""

import pytest

from taskqueue.runtime import KILLED, NORMAL, SHUTDOWN, Crash, ExitReason, Shutdown
from taskqueue.supervision import Restart, overview

ORDERLY = [NORMAL, SHUTDOWN, Shutdown("done")]
ALL = [*ORDERLY, KILLED, Crash("oops")]


@pytest.mark.parametrize("reason", ALL, ids=str)
async def test_a_permanent_child_is_restarted_whatever_its_reason(
    supervised, abc, journal, reason: ExitReason
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child())
    journal.take()

    a.end(reason)
    await journal.wait_for("started", actor="a", nth=2)

    assert await supervised.statuses(root) == {"a": "running", "b": "running"}
    assert [line for line in journal.take() if line.startswith("b")] == []


@pytest.mark.parametrize("reason", ORDERLY, ids=str)
async def test_a_transient_child_that_ends_orderly_stays_gone_and_is_listed(
    supervised, abc, reason: ExitReason
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(restart=Restart.TRANSIENT), b.child())

    a.end(reason)
    await a.life.ended()

    assert await supervised.statuses(root) == {"a": "stopped", "b": "running"}


@pytest.mark.parametrize("reason", [KILLED, Crash("oops")], ids=str)
async def test_a_transient_child_that_ends_abnormally_is_restarted(
    supervised, abc, journal, reason: ExitReason
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(restart=Restart.TRANSIENT))

    a.end(reason)
    await journal.wait_for("started", actor="a", nth=2)

    assert await supervised.statuses(root) == {"a": "running"}


@pytest.mark.parametrize("reason", ALL, ids=str)
async def test_a_temporary_child_is_never_restarted_and_its_id_is_free_again(
    supervised, abc, reason: ExitReason
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(restart=Restart.TEMPORARY), b.child())

    a.end(reason)
    await a.life.ended()

    assert await supervised.statuses(root) == {"b": "running"}


async def test_a_killed_child_is_restarted(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())

    a.life.kill()
    await journal.wait_for("started", actor="a", nth=2)

    [state] = (await overview(root)).children
    assert (state.incarnation, state.last_exit) == (2, KILLED)


async def test_a_system_exit_is_the_crash_of_one_child_and_not_of_the_process(
    supervised, abc, journal
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(restart=Restart.TRANSIENT))

    a.fail(SystemExit(0))
    await journal.wait_for("started", actor="a", nth=2)

    assert await supervised.statuses(root) == {"a": "running"}


async def test_the_state_of_a_child_tells_its_lives(supervised, abc, journal, clock) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())
    [before] = (await overview(root)).children
    clock.advance(7.0)

    a.crash("oops")
    await journal.wait_for("started", actor="a", nth=2)

    [after] = (await overview(root)).children
    assert (before.incarnation, before.started_at, before.last_exit) == (1, 1_000.0, None)
    assert (after.incarnation, after.started_at) == (2, 1_007.0)
    assert (after.last_exit, after.last_exit_at) == (Crash("oops"), 1_007.0)
    assert after.ref is a.life
