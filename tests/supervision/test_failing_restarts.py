"""A restart that fails is tried again through the mailbox; calls are served in between."""

import asyncio

import pytest

from taskqueue.runtime import SHUTDOWN
from taskqueue.supervision import (
    AlreadyPresent,
    ChildRestarting,
    Counts,
    Strategy,
    count_children,
    delete_child,
    overview,
    restart_child,
    start_child,
    terminate_child,
)

FOR_EVER = 1_000_000


async def test_a_failed_restart_is_tried_again_until_it_succeeds(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(), max_restarts=4)
    a.failed_starts = 3

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)

    view = await overview(root)
    assert [each.status for each in view.children] == ["running"]
    assert view.restarts_in_period == 4
    assert view.children[0].incarnation == 2


async def test_each_attempt_counts_and_the_limit_ends_the_loop(supervised, abc, journal) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(), max_restarts=4)
    a.failed_starts = FOR_EVER

    a.crash()

    assert await root.ended() == SHUTDOWN
    assert len(journal.select("failed", actor="a")) == 4
    assert b.life.exit_reason == SHUTDOWN


async def test_the_loop_ends_when_the_start_is_ignored(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())
    a.failed_starts = a.ignored_starts = 1

    a.crash()
    await journal.wait_for("ignored", actor="a")

    assert await supervised.statuses(root) == {"a": "stopped"}
    assert (await overview(root)).restarts_in_period == 2


@pytest.fixture
async def looping(supervised, abc, journal):
    """A supervisor that tries in vain to restart `a`; `b` runs."""
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(), max_restarts=FOR_EVER)
    a.failed_starts = FOR_EVER
    a.crash()
    await journal.wait_for("failed", actor="a")
    yield root
    a.failed_starts = 0


async def test_calls_are_served_between_attempts(looping, supervised, dummy) -> None:
    assert await supervised.statuses(looping) == {"a": "restarting", "b": "running"}
    assert await count_children(looping) == Counts(specs=2, active=1, supervisors=0, workers=2)
    with pytest.raises(AlreadyPresent):
        await start_child(looping, dummy("a").child())
    with pytest.raises(ChildRestarting):
        await restart_child(looping, "a")
    with pytest.raises(ChildRestarting):
        await delete_child(looping, "a")


async def test_terminate_child_stops_the_loop(looping, supervised, journal) -> None:
    await terminate_child(looping, "a")
    failures = len(journal.select("failed", actor="a"))

    assert await supervised.statuses(looping) == {"a": "stopped", "b": "running"}
    await supervised.statuses(looping)
    assert len(journal.select("failed", actor="a")) == failures


async def test_a_child_taken_out_of_the_loop_can_be_started_by_hand(
    looping, supervised, abc, journal
) -> None:
    a, _, _ = abc
    await terminate_child(looping, "a")
    a.failed_starts = 0

    ref = await restart_child(looping, "a")

    assert ref is a.life
    assert await supervised.statuses(looping) == {"a": "running", "b": "running"}
    assert len(journal.select("started", actor="a")) == 2


async def test_a_child_taken_out_of_the_loop_can_be_deleted(looping, supervised) -> None:
    await terminate_child(looping, "a")

    await delete_child(looping, "a")

    assert await supervised.statuses(looping) == {"b": "running"}


async def test_a_supervisor_in_the_loop_stops_when_told_to(looping, abc) -> None:
    looping.exit(SHUTDOWN)

    assert await looping.ended() == SHUTDOWN
    assert abc[1].life.exit_reason == SHUTDOWN


async def test_the_crash_of_another_child_is_handled_within_the_loop(
    looping, supervised, abc, journal
) -> None:
    _, b, _ = abc

    b.crash()
    await journal.wait_for("started", actor="b", nth=2)

    assert await supervised.statuses(looping) == {"a": "restarting", "b": "running"}


# --- groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "second_attempt"),
    [
        (Strategy.REST_FOR_ONE, ["b started", "c started"]),
        (
            Strategy.ONE_FOR_ALL,
            ["a ended", "a started", "b started", "c started"],
        ),
    ],
)
async def test_the_child_that_fails_to_start_becomes_the_restarting_one(
    supervised, abc, journal, strategy: Strategy, second_attempt: list[str]
) -> None:
    a, b, c = abc
    root = await supervised.by(a.child(), b.child(), c.child(), strategy=strategy)
    b.failed_starts = 1
    journal.take()

    a.crash()
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")
    assert journal.take() == [
        *("a stopping", "a ended", "c ended", "b ended"),
        *("a started", "b failed"),
        *second_attempt,
    ]
    assert (await overview(root)).restarts_in_period == 2


@pytest.mark.parametrize("strategy", [Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL])
async def test_those_before_it_stay_up_and_those_behind_stay_down(
    supervised, abc, journal, strategy: Strategy
) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(), c.child(), strategy=strategy, max_restarts=FOR_EVER
    )
    b.failed_starts = FOR_EVER

    a.crash()
    await journal.wait_for("failed", actor="b")

    assert await supervised.statuses(root) == {
        "a": "running",
        "b": "restarting",
        "c": "stopped",
    }
    await terminate_child(root, "b")
    assert await supervised.statuses(root) == {"a": "running", "b": "stopped", "c": "stopped"}


async def test_a_crash_while_a_group_waits_for_its_next_attempt_restarts_the_group(
    supervised, abc, journal
) -> None:
    a, b, c = abc
    root = await supervised.by(
        *(a.child(), b.child(), c.child()),
        strategy=Strategy.ONE_FOR_ALL,
        max_restarts=FOR_EVER,
    )
    b.failed_starts = FOR_EVER
    c.crash()
    await journal.wait_for("failed", actor="b")

    a.crash()
    await asyncio.sleep(0)
    b.failed_starts = 0
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")
