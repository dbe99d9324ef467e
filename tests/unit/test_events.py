"""The recorder that tests wait on."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from taskqueue.events import events as port
from taskqueue.testing.events import EventLog

log: Any = structlog.get_logger()


async def test_an_event_that_has_been_is_returned_at_once(events: EventLog) -> None:
    log.info("child_started", child_id="queue")

    found = await events.wait_for("child_started", timeout_s=0)

    assert (found["child_id"], found["level"]) == ("queue", "info")


async def test_an_event_to_come_is_waited_for(events: EventLog) -> None:
    waiting = asyncio.create_task(events.wait_for("child_started", child_id="queue"))
    await asyncio.sleep(0)

    log.info("child_started", child_id="database")
    log.info("child_stopped", child_id="queue")
    await asyncio.sleep(0)
    too_early = waiting.done()
    log.info("child_started", child_id="queue", incarnation=2)

    assert not too_early
    assert (await waiting)["incarnation"] == 2


async def test_an_event_of_another_thread_wakes_the_waiter(events: EventLog) -> None:
    waiting = asyncio.create_task(events.wait_for("tick", n=99))
    await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: [log.info("tick", n=n) for n in range(100)])
    thread.start()

    assert (await waiting)["n"] == 99
    thread.join()


async def test_no_event_is_missed_between_looking_and_waiting(events: EventLog) -> None:
    def chatter() -> None:
        for n in range(500):
            log.info("tick", n=n)

    thread = threading.Thread(target=chatter)
    thread.start()

    for n in range(500):
        await events.wait_for("tick", n=n)

    thread.join()
    assert [each["n"] for each in events.select("tick")] == list(range(500))


async def test_several_may_wait_for_the_same_event(events: EventLog) -> None:
    async with asyncio.TaskGroup() as waiters:
        waiting = [waiters.create_task(events.wait_for("tick")) for _ in range(3)]
        await asyncio.sleep(0)
        log.info("tick", n=1)

    assert [each.result()["n"] for each in waiting] == [1, 1, 1]


async def test_the_nth_event_is_waited_for(events: EventLog) -> None:
    waiting = asyncio.create_task(events.wait_for("restarted", nth=2, child_id="queue"))

    for n, child in enumerate(("queue", "gateway", "queue")):
        log.info("restarted", child_id=child, n=n)

    assert (await waiting)["n"] == 2


async def test_a_wait_in_vain_says_what_there_was_instead(events: EventLog) -> None:
    log.info("child_started", child_id="queue")

    with pytest.raises(TimeoutError) as missed:
        await events.wait_for("child_started", timeout_s=0.01, child_id="gateway")

    assert "no 'child_started' child_id='gateway'" in str(missed.value)
    assert "'child_id': 'queue'" in str(missed.value)


async def test_a_waiter_that_was_cancelled_is_not_woken(events: EventLog) -> None:
    waiting = asyncio.create_task(events.wait_for("tick"))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait([waiting])
    log.info("tick")

    assert waiting.cancelled()
    assert len(events.select("tick")) == 1


def test_a_loop_that_is_gone_does_not_hurt_the_one_who_logs(events: EventLog) -> None:
    loop = asyncio.new_event_loop()
    waiting = events.wait_for("tick")
    task = loop.create_task(waiting)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    log.info("tick")

    assert len(events.select("tick")) == 1
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    waiting.close()


def test_selected_are_the_events_whose_fields_fit_oldest_first(events: EventLog) -> None:
    for n in range(4):
        log.info("tick", n=n, even=n % 2 == 0, data={"n": n})
    log.info("tock", even=True)

    assert [each["n"] for each in events.select("tick", even=True)] == [0, 2]
    assert [each["n"] for each in events.select("tick", data={"n": 3})] == [3]
    assert events.select("tick", missing=1) == []
    assert events.select("nothing") == []


def test_a_field_that_is_absent_is_not_a_field_that_is_none(events: EventLog) -> None:
    log.info("tick")

    assert events.select("tick", n=None) == []


def test_bound_and_context_values_are_fields(events: EventLog) -> None:
    with structlog.contextvars.bound_contextvars(task_id="7"):
        log.bind(actor="queue").info("tick")

    assert len(events.select("tick", task_id="7", actor="queue")) == 1


def test_loggers_bound_before_and_cached_ones_are_heard(
    make_logger: Callable[[], Any],
) -> None:
    bound = make_logger().bind(actor="queue")
    bound.info("before")

    with EventLog().installed() as events:
        bound.info("within")
    bound.info("after")

    assert events.select("before") == events.select("after") == []
    assert len(events.select("within", actor="queue")) == 1


@pytest.fixture
def make_logger() -> Any:
    structlog.configure(cache_logger_on_first_use=True)
    yield structlog.get_logger
    structlog.reset_defaults()


def test_events_of_another_process_can_be_added() -> None:
    events = EventLog()

    events.record({"event": "started", "level": "info", "port": 1})

    assert events.select("started", port=1) == [{"event": "started", "level": "info", "port": 1}]


def test_the_recorder_has_an_event_once_and_lines_of_others_beside_it() -> None:
    with EventLog().installed() as recorded:
        port.info("task_completed", task_id="7")
        structlog.get_logger().info("task_completed", task_id="8")
        port.info("task_completed", task_id="9")

    found = recorded.select("task_completed")
    assert [(event["task_id"], event["level"]) for event in found] == [
        ("7", "info"),
        ("8", "info"),
        ("9", "info"),
    ]
