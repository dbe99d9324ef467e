"""A consumer's news: what is told at once, what later, and what never."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from taskqueue.actors.consumer.reports import LATE_S, MAX_IN_FLIGHT, NOTE_S, ReportBatcher
from taskqueue.rules.leases.values import Finished
from taskqueue.rules.tasks import Delivery, NewTask, Succeeded
from taskqueue.testing.claims import claimed
from tests.otp.virtual_time import VirtualTimeLoop

SHORT_S = NOTE_S * 0.3

Notes = list[tuple[float, set[str]]]
Scene = Callable[[ReportBatcher], Awaitable[None]]


def notes_of(scene: Scene) -> Notes:
    """Return which starts are noted in a scene, each time with when; the scene begins at 0."""
    notes: Notes = []

    async def played() -> None:
        def note(tokens: Sequence[str]) -> None:
            notes.append((asyncio.get_running_loop().time(), set(tokens)))

        await scene(ReportBatcher(note, lambda _: None))

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(played())
    return notes


def begin(news: ReportBatcher, token: str) -> None:
    news.begun(token, at=asyncio.get_running_loop().time())


def end(news: ReportBatcher, token: str) -> None:
    task = claimed(NewTask(id=token, action="work", payload="{}"))
    delivery = Delivery(token=token, task=task, expires_at=30.0, started=False)
    news.finished(Finished(delivery=delivery, outcome=Succeeded(result="1"), started_at=0.0))


async def short_ones(news: ReportBatcher, count: int = 20) -> None:
    """Attempts that follow each other, so that one is under way at any time."""
    for number in range(count):
        begin(news, f"short {number}")
        await asyncio.sleep(SHORT_S)
        end(news, f"short {number}")


def test_no_start_is_noted_of_short_attempts_however_many_follow_each_other() -> None:
    assert notes_of(short_ones) == []


def test_what_lasts_is_noted_once_and_soon_among_short_attempts_too() -> None:
    async def scene(news: ReportBatcher) -> None:
        asyncio.get_running_loop().call_later(SHORT_S / 2, begin, news, "long")
        await short_ones(news)

    [(at, tokens)] = notes_of(scene)

    assert tokens == {"long"}
    assert NOTE_S <= at <= 3 * NOTE_S


def test_what_lasts_is_noted_after_a_silence_as_well() -> None:
    async def scene(news: ReportBatcher) -> None:
        await short_ones(news)
        await asyncio.sleep(100 * NOTE_S)
        begin(news, "long")
        await asyncio.sleep(3 * NOTE_S)

    [(_, tokens)] = notes_of(scene)

    assert tokens == {"long"}


def test_what_begins_while_others_last_is_noted_together() -> None:
    tokens = [str(number) for number in range(9)]

    async def scene(news: ReportBatcher) -> None:
        for token in tokens:
            begin(news, token)
            await asyncio.sleep(NOTE_S / 10)
        await asyncio.sleep(3 * NOTE_S)

    noted = [noted for _, noted in notes_of(scene)]

    assert len(noted) == 2
    assert set.union(*noted) == set(tokens)


def test_a_start_can_be_noted_at_once_and_is_not_noted_again() -> None:
    async def scene(news: ReportBatcher) -> None:
        begin(news, "reports progress")
        news.note()
        news.note()
        await asyncio.sleep(3 * NOTE_S)

    assert notes_of(scene) == [(0.0, {"reports progress"})]


@pytest.mark.parametrize("while_it_lasts", [True, False])
def test_nothing_is_left_waiting_once_nothing_is_under_way(while_it_lasts: bool) -> None:
    async def scene(news: ReportBatcher) -> None:
        begin(news, "a")
        if while_it_lasts:
            await asyncio.sleep(2 * NOTE_S)
        end(news, "a")
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        await loop.rest()

    assert len(notes_of(scene)) == while_it_lasts


async def test_what_ends_while_a_report_is_on_its_way_is_reported_as_well_but_not_each_alone() -> (
    None
):
    reports: list[list[str]] = []
    written = asyncio.Event()

    async def heard() -> None:
        await written.wait()

    def report(finished: Sequence[Finished]) -> "asyncio.Task[None]":
        reports.append([each.delivery.token for each in finished])
        return asyncio.create_task(heard())

    news = ReportBatcher(lambda _: None, report)
    for token in "abcd":
        end(news, token)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    on_their_way = list(reports)
    written.set()
    async with asyncio.timeout(20):
        while len(reports) < 3:  # noqa: ASYNC110 - each turn may bring it
            await asyncio.sleep(0)

    assert on_their_way == [["a"], ["b"]]
    assert len(on_their_way) == MAX_IN_FLIGHT
    assert reports == [["a"], ["b"], ["c", "d"]]


def test_reports_that_are_late_hold_up_no_others() -> None:
    reports: list[tuple[float, str]] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()

        def report(finished: Sequence[Finished]) -> "asyncio.Task[None]":
            reports.append((loop.time(), "".join(each.delivery.token for each in finished)))
            return asyncio.create_task(asyncio.sleep(100 * LATE_S))

        news = ReportBatcher(lambda _: None, report)
        for token in "abcde":
            end(news, token)
            await asyncio.sleep(LATE_S / 10)
        await asyncio.sleep(10 * LATE_S)
        end(news, "f")
        await asyncio.sleep(LATE_S)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scene())

    assert [tokens for _, tokens in reports] == ["a", "b", "cde", "f"]
    waited_s = reports[2][0] - reports[1][0]
    assert LATE_S <= waited_s <= 2 * LATE_S
