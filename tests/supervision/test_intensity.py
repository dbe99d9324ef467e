"""Restart intensity with a clock that moves when it is told to."""

import pytest

from taskqueue.runtime import SHUTDOWN
from taskqueue.supervision import (
    Restart,
    Strategy,
    overview,
    restart_child,
    start_child,
    terminate_child,
)


async def crashes(dummy, journal, root) -> None:
    """Crash a dummy once and wait until it lives again."""
    lives = len(journal.select("started", actor=dummy.name))
    dummy.crash()
    await journal.wait_for("started", actor=dummy.name, nth=lives + 1)
    await overview(root)


async def test_the_restart_beyond_the_intensity_ends_the_supervisor_with_shutdown(
    supervised, abc, journal
) -> None:
    a, b, c = abc
    root = await supervised.by(a.child(), b.child(), c.child(), max_restarts=2, period_s=5)
    await crashes(b, journal, root)
    await crashes(b, journal, root)
    journal.take()

    b.crash()

    assert await root.ended() == SHUTDOWN
    assert journal.take() == ["b stopping", "b ended", "c ended", "a ended"]


async def test_intensity_zero_tolerates_nothing(supervised, abc) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(), max_restarts=0)

    a.crash()

    assert await root.ended() == SHUTDOWN


async def test_all_children_share_one_counter(supervised, abc, journal) -> None:
    a, b, c = abc
    root = await supervised.by(a.child(), b.child(), c.child(), max_restarts=2)
    await crashes(a, journal, root)
    await crashes(b, journal, root)

    c.crash()

    assert await root.ended() == SHUTDOWN


@pytest.mark.parametrize(("pause_s", "survives"), [(5.999, False), (6.0, True)])
async def test_a_restart_counts_to_the_end_of_the_period_in_whole_seconds(
    supervised, abc, journal, pause_s: float, survives: bool
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(), max_restarts=1, period_s=5)
    await crashes(a, journal, root)
    supervised.clock.advance(pause_s)

    if survives:
        await crashes(a, journal, root)
    else:
        a.crash()
        await root.ended()

    assert root.is_alive() == survives


async def test_a_group_restart_counts_once(supervised, abc, journal) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(), c.child(), strategy=Strategy.ONE_FOR_ALL, max_restarts=1
    )

    await crashes(b, journal, root)

    assert (await overview(root)).restarts_in_period == 1


async def test_what_is_done_by_hand_and_ends_without_restart_do_not_count(
    supervised, abc, dummy
) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(restart=Restart.TRANSIENT), c.child(restart=Restart.TEMPORARY)
    )

    b.end(SHUTDOWN)
    c.crash()
    await c.life.ended()
    await terminate_child(root, "a")
    await restart_child(root, "a")
    await start_child(root, dummy("d").child())

    assert (await overview(root)).restarts_in_period == 0


async def test_at_the_limit_no_sibling_is_touched_by_the_strategy(supervised, abc, journal) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(), c.child(), strategy=Strategy.ONE_FOR_ALL, max_restarts=0
    )
    journal.take()

    a.crash()
    await root.ended()

    assert journal.take() == ["a stopping", "a ended", "c ended", "b ended"]
