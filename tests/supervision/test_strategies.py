"""Strategies: who is stopped, who is started, in which order."""

import asyncio
import math

import pytest

from taskqueue.runtime import NORMAL, Crash, ExitReason
from taskqueue.supervision import Restart, Strategy, overview, start_child, terminate_child
from taskqueue.testing.actors import TrappingCrashTest

GROUPS = [Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL]


@pytest.mark.parametrize(
    ("strategy", "lines"),
    [
        (Strategy.ONE_FOR_ONE, ["b started"]),
        (Strategy.REST_FOR_ONE, ["c ended", "b started", "c started"]),
        (
            Strategy.ONE_FOR_ALL,
            ["c ended", "a ended", "a started", "b started", "c started"],
        ),
    ],
)
async def test_a_crash_restarts_whom_the_strategy_says(
    supervised, abc, journal, strategy: Strategy, lines: list[str]
) -> None:
    _, b, _ = abc
    root = await supervised.by(*(each.child() for each in abc), strategy=strategy)
    journal.take()

    b.crash()
    await journal.wait_for("started", actor=lines[-1][0], nth=2)

    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")
    assert journal.take() == ["b stopping", "b ended", *lines]


@pytest.mark.parametrize("strategy", GROUPS)
async def test_the_exit_of_a_temporary_child_never_touches_its_siblings(
    supervised, abc, journal, strategy: Strategy
) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(restart=Restart.TEMPORARY), c.child(), strategy=strategy
    )
    journal.take()

    b.crash()
    await b.life.ended()

    assert await supervised.statuses(root) == {"a": "running", "c": "running"}
    assert journal.take() == ["b stopping", "b ended"]


@pytest.mark.parametrize("strategy", GROUPS)
async def test_the_orderly_exit_of_a_transient_child_never_touches_its_siblings(
    supervised, abc, journal, strategy: Strategy
) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(restart=Restart.TRANSIENT), c.child(), strategy=strategy
    )
    journal.take()

    b.end(NORMAL)
    await b.life.ended()

    assert await supervised.statuses(root) == {"a": "running", "b": "stopped", "c": "running"}
    assert journal.take() == ["b stopping", "b ended"]


@pytest.mark.parametrize("strategy", GROUPS)
async def test_temporary_siblings_are_stopped_and_dropped(
    supervised, abc, journal, strategy: Strategy
) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(restart=Restart.TEMPORARY), c.child(), strategy=strategy
    )
    journal.take()

    a.crash()
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == {"a": "running", "c": "running"}
    assert journal.take()[2:] == ["c ended", "b ended", "a started", "c started"]


@pytest.mark.parametrize("strategy", GROUPS)
async def test_children_that_did_not_run_come_to_life_with_their_group(
    supervised, abc, dummy, journal, strategy: Strategy
) -> None:
    a, b, c = abc
    d = dummy("d")
    c.ignored_starts = 1
    root = await supervised.by(
        a.child(), b.child(restart=Restart.TRANSIENT), c.child(), d.child(), strategy=strategy
    )
    b.end(NORMAL)
    await b.life.ended()
    await terminate_child(root, "d")
    assert await supervised.statuses(root) == {
        "a": "running",
        "b": "stopped",
        "c": "stopped",
        "d": "stopped",
    }

    a.crash()
    await journal.wait_for("started", actor="d", nth=2)

    assert await supervised.statuses(root) == dict.fromkeys("abcd", "running")


async def test_rest_for_one_revives_only_behind_the_failed_one(supervised, abc, journal) -> None:
    _, b, _ = abc
    root = await supervised.by(*(each.child() for each in abc), strategy=Strategy.REST_FOR_ONE)
    await terminate_child(root, "a")

    b.crash()
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == {"a": "stopped", "b": "running", "c": "running"}


@pytest.mark.parametrize("strategy", GROUPS)
@pytest.mark.parametrize(
    ("restart", "reason"),
    [
        (Restart.PERMANENT, NORMAL),
        (Restart.PERMANENT, Crash("me too")),
        (Restart.TRANSIENT, NORMAL),
        (Restart.TRANSIENT, Crash("me too")),
    ],
)
async def test_a_sibling_that_dies_while_the_group_stops_is_started_once(
    supervised, dummy, strategy: Strategy, restart: Restart, reason: ExitReason
) -> None:
    a, b, c = dummy("a"), dummy("b"), dummy("c", TrappingCrashTest)
    root = await supervised.by(
        a.child(), b.child(restart=restart), c.child(shutdown=math.inf), strategy=strategy
    )
    journal = supervised.journal
    c.stall()
    await journal.wait_for("stalling", actor="c")
    journal.take()

    a.crash()
    await a.life.ended()
    b.end(reason)
    await b.life.ended()
    c.release()
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")
    assert (await overview(root)).restarts_in_period == 1
    assert [line for line in journal.take() if "started" in line] == [
        *("a started", "b started", "c started"),
    ]


async def test_a_temporary_sibling_that_dies_while_the_group_stops_is_dropped(
    supervised, abc, dummy, journal
) -> None:
    a, b, _ = abc
    c = dummy("c", TrappingCrashTest)
    root = await supervised.by(
        *(a.child(), b.child(restart=Restart.TEMPORARY), c.child(shutdown=math.inf)),
        strategy=Strategy.ONE_FOR_ALL,
    )
    c.stall()
    await journal.wait_for("stalling", actor="c")

    a.crash()
    await a.life.ended()
    b.crash()
    await b.life.ended()
    c.release()
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == {"a": "running", "c": "running"}


async def test_a_group_that_crashes_at_once_is_restarted_once(supervised, abc, journal) -> None:
    root = await supervised.by(
        *(each.child() for each in abc), strategy=Strategy.ONE_FOR_ALL, max_restarts=1
    )

    for each in abc:
        each.life.kill()
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")
    assert (await overview(root)).restarts_in_period == 1


async def test_added_children_are_last_in_the_order(supervised, abc, dummy, journal) -> None:
    _, b, _ = abc
    root = await supervised.by(*(each.child() for each in abc), strategy=Strategy.REST_FOR_ONE)
    await start_child(root, dummy("d").child())
    journal.take()

    b.crash()
    await journal.wait_for("started", actor="d", nth=2)
    await overview(root)

    assert journal.take()[2:] == ["d ended", "c ended", "b started", "c started", "d started"]


async def test_calls_are_answered_after_a_group_restart_not_within_it(
    supervised, abc, journal
) -> None:
    a, b, c = abc
    root = await supervised.by(a.child(), b.child(), c.child(), strategy=Strategy.ONE_FOR_ALL)
    b.hold_starts()
    a.crash()
    await journal.wait_for("starting", actor="b")

    asking = asyncio.create_task(supervised.statuses(root))
    await asyncio.sleep(0)
    assert not asking.done()
    b.release()

    assert await asking == dict.fromkeys("abc", "running")
