"""One-shot children: the start waits until they are over."""

import asyncio

import pytest

from taskqueue.errors import StartFailed
from taskqueue.runtime import NORMAL, SHUTDOWN, Crash
from taskqueue.supervision import FailedToStartChild, Restart, Strategy, overview

ONE_SHOT = {"restart": Restart.TRANSIENT, "one_shot": True}


async def test_the_next_child_starts_when_the_one_shot_is_over(supervised, abc, journal) -> None:
    a, b, c = abc

    starting = asyncio.create_task(supervised.by(a.child(), b.child(**ONE_SHOT), c.child()))
    await journal.wait_for("started", actor="b")
    await asyncio.sleep(0)
    b.end(NORMAL)
    root = await starting

    assert journal.take() == ["a started", "b started", "b stopping", "b ended", "c started"]
    assert await supervised.statuses(root) == {"a": "running", "b": "stopped", "c": "running"}


async def test_an_ignored_one_shot_is_over_at_once(supervised, abc) -> None:
    a, b, _ = abc
    a.ignored_starts = 1

    root = await supervised.by(a.child(**ONE_SHOT), b.child())

    assert await supervised.statuses(root) == {"a": "stopped", "b": "running"}


async def test_a_one_shot_that_crashes_is_restarted_during_the_start(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    starting = asyncio.create_task(supervised.by(a.child(**ONE_SHOT), b.child()))
    await journal.wait_for("started", actor="a")
    a.failed_starts = 2

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)
    a.end(NORMAL)
    root = await starting

    view = await overview(root)
    assert [(each.status, each.incarnation) for each in view.children] == [
        ("stopped", 2),
        ("running", 1),
    ]
    assert view.restarts_in_period == 3


async def test_a_one_shot_that_crashes_too_often_is_named(supervised, abc, journal, system) -> None:
    a, b, c = abc
    starting = asyncio.create_task(
        supervised.by(a.child(), b.child(**ONE_SHOT), c.child(), max_restarts=0)
    )
    await journal.wait_for("started", actor="b")

    b.crash("no such table")
    with pytest.raises(StartFailed) as failed:
        await starting

    detail = FailedToStartChild(child_id="b", reason=Crash("no such table"))
    assert failed.value.cause.detail == detail
    assert journal.take() == ["a started", "b started", "b stopping", "b ended", "a ended"]
    assert system.actors == ()


async def test_a_temporary_one_shot_that_crashes_lets_the_next_one_start(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    spec = a.child(restart=Restart.TEMPORARY, one_shot=True)
    starting = asyncio.create_task(supervised.by(spec, b.child()))
    await journal.wait_for("started", actor="a")

    a.crash()

    assert await supervised.statuses(await starting) == {"b": "running"}


async def test_a_one_shot_takes_its_group_along_and_is_waited_for_again(
    supervised, abc, journal
) -> None:
    a, b, c = abc
    starting = asyncio.create_task(
        supervised.by(a.child(), b.child(**ONE_SHOT), c.child(), strategy=Strategy.ONE_FOR_ALL)
    )
    await journal.wait_for("started", actor="b")
    a.failed_starts = 1

    b.crash()
    await journal.wait_for("started", actor="b", nth=2)
    assert journal.select("started", actor="c") == []
    b.end(NORMAL)

    assert await supervised.statuses(await starting) == {
        "a": "running",
        "b": "stopped",
        "c": "running",
    }
    assert len(journal.select("failed", actor="a")) == 1


async def test_a_supervisor_killed_while_it_waits_for_a_one_shot_leaves_nobody(
    supervised, abc, journal, system
) -> None:
    a, b, _ = abc
    starting = asyncio.create_task(supervised.by(a.child(), b.child(**ONE_SHOT)))
    await journal.wait_for("started", actor="b")

    system.names.whereis("root").kill()
    with pytest.raises(StartFailed):
        await starting
    await a.life.ended()
    await b.life.ended()

    assert system.actors == ()


async def test_after_the_start_a_one_shot_is_a_child_like_any_other(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    a.ignored_starts = 1
    root = await supervised.by(a.child(**ONE_SHOT), b.child(), strategy=Strategy.ONE_FOR_ALL)

    b.crash()
    await journal.wait_for("started", actor="b", nth=2)
    assert await supervised.statuses(root) == {"a": "running", "b": "running"}
    a.end(SHUTDOWN)
    await a.life.ended()

    assert await supervised.statuses(root) == {"a": "stopped", "b": "running"}
