"""Automatic shutdown: when significant children have ended by themselves."""

import pytest

from taskqueue.runtime import NORMAL, SHUTDOWN, Crash, ExitReason
from taskqueue.supervision import (
    AutoShutdown,
    Restart,
    Strategy,
    delete_child,
    start_child,
    terminate_child,
)

ANY, ALL = AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT
TRANSIENT = {"restart": Restart.TRANSIENT, "significant": True}
TEMPORARY = {"restart": Restart.TEMPORARY, "significant": True}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (TRANSIENT, NORMAL),
        (TRANSIENT, SHUTDOWN),
        (TEMPORARY, NORMAL),
        (TEMPORARY, Crash("oops")),
    ],
)
async def test_any_significant_child_that_ends_for_good_takes_the_supervisor_along(
    supervised, abc, journal, options: dict[str, object], reason: ExitReason
) -> None:
    a, b, c = abc
    root = await supervised.by(a.child(**options), b.child(**options), c.child(), auto_shutdown=ANY)
    journal.take()

    a.end(reason)

    assert await root.ended() == SHUTDOWN
    assert journal.take() == ["a stopping", "a ended", "c ended", "b ended"]


async def test_with_all_the_last_significant_child_decides(supervised, abc) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(**TRANSIENT), b.child(**TEMPORARY), c.child(), auto_shutdown=ALL
    )

    a.end(NORMAL)
    await a.life.ended()
    assert await supervised.statuses(root) == {"a": "stopped", "b": "running", "c": "running"}
    b.crash()

    assert await root.ended() == SHUTDOWN


async def test_a_significant_child_that_is_restarted_shuts_nothing_down(
    supervised, abc, journal
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(**TRANSIENT), auto_shutdown=ANY)

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)

    assert await supervised.statuses(root) == {"a": "running"}


async def test_others_shut_nothing_down(supervised, abc) -> None:
    a, b, _ = abc
    root = await supervised.by(
        a.child(**TRANSIENT), b.child(restart=Restart.TRANSIENT), auto_shutdown=ANY
    )

    b.end(NORMAL)
    await b.life.ended()

    assert await supervised.statuses(root) == {"a": "running", "b": "stopped"}


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("options", [TRANSIENT, TEMPORARY])
async def test_what_is_done_by_hand_shuts_nothing_down(
    supervised, abc, mode: AutoShutdown, options: dict[str, object]
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(**options), b.child(), auto_shutdown=mode)

    await terminate_child(root, "a")
    if options is TRANSIENT:
        await delete_child(root, "a")

    assert await supervised.statuses(root) == {"b": "running"}


async def test_a_significant_child_terminated_by_hand_does_not_hold_the_supervisor_up(
    supervised, abc
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(**TRANSIENT), b.child(**TRANSIENT), auto_shutdown=ALL)
    await terminate_child(root, "a")

    b.end(NORMAL)

    assert await root.ended() == SHUTDOWN


async def test_a_significant_child_that_was_ignored_does_not_hold_the_supervisor_up(
    supervised, abc
) -> None:
    a, b, _ = abc
    a.ignored_starts = 1
    root = await supervised.by(a.child(**TRANSIENT), b.child(**TRANSIENT), auto_shutdown=ALL)

    b.end(NORMAL)

    assert await root.ended() == SHUTDOWN


async def test_a_significant_child_that_waits_for_its_restart_holds_the_supervisor_up(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    root = await supervised.by(
        *(a.child(**TRANSIENT), b.child(**TRANSIENT)),
        auto_shutdown=ALL,
        max_restarts=1_000_000,
    )
    a.failed_starts = 1_000_000
    a.crash()
    await journal.wait_for("failed", actor="a")

    b.end(NORMAL)
    await b.life.ended()

    assert await supervised.statuses(root) == {"a": "restarting", "b": "stopped"}
    a.failed_starts = 0


async def test_a_significant_sibling_stopped_by_its_group_shuts_nothing_down(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    root = await supervised.by(
        *(a.child(), b.child(**TEMPORARY)),
        auto_shutdown=ANY,
        strategy=Strategy.ONE_FOR_ALL,
    )

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)

    assert await supervised.statuses(root) == {"a": "running"}


async def test_a_significant_child_added_later_counts(supervised, abc) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), auto_shutdown=ANY)
    await start_child(root, b.child(**TEMPORARY))

    b.end(NORMAL)

    assert await root.ended() == SHUTDOWN


async def test_auto_shutdown_climbs_through_a_significant_supervisor(
    supervised, abc, system
) -> None:
    a, b, _ = abc
    flags = supervised.flags(auto_shutdown=ANY)
    sub = supervised.below("sub", a.child(**TRANSIENT), flags=flags, **TRANSIENT)
    root = await supervised.by(sub, b.child(), auto_shutdown=ANY)

    a.end(NORMAL)

    assert await root.ended() == SHUTDOWN
    assert system.actors == ()


async def test_a_permanent_supervisor_that_shut_itself_down_is_restarted(
    supervised, abc, journal
) -> None:
    a, _, _ = abc
    flags = supervised.flags(auto_shutdown=ANY)
    root = await supervised.by(supervised.below("sub", a.child(**TRANSIENT), flags=flags))

    a.end(NORMAL)
    await journal.wait_for("started", actor="a", nth=2)

    assert await supervised.statuses(root) == {"sub": "running"}
