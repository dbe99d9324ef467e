"""The events port: what is published, and what its subscribers cannot do to it."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import structlog
from structlog.testing import capture_logs

from taskqueue.events import Buffer, Event, Events


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with capture_logs() as captured:
        yield captured


def names(found: list[Event]) -> list[str]:
    return [event.name for event in found]


def test_an_event_reaches_the_log_and_every_subscriber(events: Events, logged: list[Any]) -> None:
    with events.subscribed(Buffer(10)) as one, events.subscribed(Buffer(10)) as other:
        events.warning("task_rescued", task_id="7", attempt=2)

    [event] = one.take()
    assert (event.name, event.level, event.fields) == (
        "task_rescued",
        "warning",
        {"task_id": "7", "attempt": 2},
    )
    assert other.take() == [event]
    assert logged == [
        {"event": "task_rescued", "log_level": "warning", "task_id": "7", "attempt": 2}
    ]


def test_a_subscriber_gets_what_the_log_filters_out(events: Events) -> None:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        wanted_before = events.are_wanted("info", "queue_paused")
        with events.subscribed(Buffer(10)) as buffer:
            wanted = events.are_wanted("debug", "http_request")
            events.debug("http_request")
        with events.subscribed(Buffer(10), "queue_paused"):
            wanted_by_name = events.are_wanted("debug", "queue_paused")
            other_wanted = events.are_wanted("debug", "http_request")
    finally:
        structlog.configure(**before)

    assert names(buffer.take()) == ["http_request"]
    assert (wanted_before, wanted) == (False, True)
    assert (wanted_by_name, other_wanted) == (True, False)


def test_without_subscribers_an_event_is_a_line_and_nothing_else(events: Events) -> None:
    with mock.patch("taskqueue.events.Event") as made:
        events.info("attempt_started")

    assert made.call_count == 0


def test_a_subscriber_that_left_gets_no_more(events: Events) -> None:
    with events.subscribed(Buffer(10)) as buffer:
        events.info("within")
    events.info("after")

    assert names(buffer.take()) == ["within"]


def test_a_subscriber_that_raises_is_removed_and_that_is_said_once(
    events: Events, logged: list[Any]
) -> None:
    called: list[str] = []

    def broken(event: Event) -> None:
        called.append(event.name)
        raise SystemExit("not of this process")

    with events.subscribed(broken), events.subscribed(Buffer(10)) as healthy:
        events.info("one")
        events.info("two")

    assert called == ["one"]
    assert names(healthy.take()) == ["event_subscriber_failed", "one", "two"]
    assert [line["event"] for line in logged] == ["event_subscriber_failed", "one", "two"]


def test_a_subscriber_that_publishes_without_end_is_removed(events: Events) -> None:
    def echo(event: Event) -> None:
        events.info("echo")

    with events.subscribed(echo), events.subscribed(Buffer(10)) as healthy:
        events.info("one")
        healthy.take()
        events.info("two")

    assert names(healthy.take()) == ["two"]


def test_a_log_that_raises_costs_the_line_and_no_event(
    events: Events, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a processor of the app")

    before = structlog.get_config()
    structlog.configure(processors=[broken])
    try:
        with events.subscribed(Buffer(10)) as buffer:
            events.error("http_error", error_id=7)
    finally:
        structlog.configure(**before)

    assert names(buffer.take()) == ["http_error"]
    assert "http_error" in capsys.readouterr().err


def test_a_full_buffer_drops_the_oldest_and_counts_them(events: Events) -> None:
    with events.subscribed(Buffer(3)) as slow, events.subscribed(Buffer(100)) as fast:
        for n in range(10):
            events.info("tick", n=n)

    assert [event.fields["n"] for event in slow.take()] == [7, 8, 9]
    assert (slow.dropped, fast.dropped) == (7, 0)
    assert len(fast.take()) == 10


async def test_a_reader_gets_what_other_threads_publish_in_their_order(events: Events) -> None:
    def publish(thread: int) -> None:
        for n in range(200):
            events.info("tick", thread=thread, n=n)

    with events.subscribed(Buffer(10_000)) as buffer:
        threads = [threading.Thread(target=publish, args=(each,)) for each in range(4)]
        for each in threads:
            each.start()
        found: list[Event] = []
        async with asyncio.timeout(30):
            while len(found) < 800:
                found += await buffer.next()
        for each in threads:
            each.join()

    for thread in range(4):
        of_thread = [event.fields["n"] for event in found if event.fields["thread"] == thread]
        assert of_thread == list(range(200))
    assert buffer.dropped == 0


async def test_a_reader_waits_for_the_next_event(events: Events) -> None:
    with events.subscribed(Buffer(10)) as buffer:
        waiting = asyncio.create_task(buffer.next())
        await asyncio.sleep(0)
        too_early = waiting.done()
        events.info("tick")
        found = await waiting

    assert not too_early
    assert names(found) == ["tick"]


def test_a_reader_whose_loop_is_gone_is_removed(events: Events) -> None:
    buffer = Buffer(10)
    with events.subscribed(buffer), events.subscribed(Buffer(10)) as healthy:
        loop = asyncio.new_event_loop()
        reading = loop.create_task(buffer.next())
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()

        events.info("one")
        events.info("two")

    assert names(healthy.take()) == ["event_subscriber_failed", "one", "two"]
    assert names(buffer.take()) == ["one"]
    reading._log_destroy_pending = False  # type: ignore[attr-defined]
    reading.get_coro().close()  # type: ignore[union-attr]


def test_a_subscriber_to_some_events_gets_these_and_costs_the_others_nothing(
    events: Events,
) -> None:
    with events.subscribed(Buffer(10), "child_restarted", "queue_paused") as some:
        with mock.patch("taskqueue.events.Event") as made:
            events.info("attempt_started")
        with events.subscribed(Buffer(10)) as every:
            events.info("queue_paused")
            events.info("attempt_started")
        events.info("child_restarted")
    events.info("queue_paused")

    assert made.call_count == 0
    assert names(some.take()) == ["queue_paused", "child_restarted"]
    assert names(every.take()) == ["queue_paused", "attempt_started"]


def test_a_subscriber_to_some_events_that_raises_is_removed(events: Events) -> None:
    called: list[str] = []

    def broken(event: Event) -> None:
        called.append(event.name)
        raise ValueError

    with events.subscribed(broken, "one"), events.subscribed(Buffer(10), "one") as healthy:
        events.info("one")
        events.info("one")

    assert called == ["one"]
    assert names(healthy.take()) == ["one", "one"]
    assert events.listeners == {}
