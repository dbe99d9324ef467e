"""Hosts: a thread with a loop, and the way into it."""

import asyncio
import logging
import threading

import pytest
from structlog.testing import capture_logs

from taskqueue.runtime import Host

TIMEOUT_S = 20.0


async def test_an_adopted_host_is_the_running_loop_and_its_thread() -> None:
    host = Host.adopt()

    assert host.loop is asyncio.get_running_loop()
    assert host.thread is threading.current_thread()
    assert host.is_current()
    assert not await asyncio.to_thread(host.is_current)


async def test_a_launched_host_has_a_thread_that_does_not_hold_the_process() -> None:
    host = Host.launch("launched")

    assert (host.thread.name, host.thread.daemon, host.is_current()) == ("launched", True, False)
    host.stop()
    await host.join(5)

    assert not host.thread.is_alive()


async def test_call_runs_at_once_when_we_are_there() -> None:
    calls: list[int] = []

    Host.adopt().call(lambda: calls.append(1))

    assert calls == [1]


async def test_post_runs_later_even_when_we_are_there() -> None:
    calls: list[int] = []

    Host.adopt().post(lambda: calls.append(1))
    assert calls == []
    await asyncio.sleep(0)

    assert calls == [1]


async def test_posts_of_one_thread_keep_their_order_and_run_on_the_host() -> None:
    host = Host.launch("ordered")
    calls: list[tuple[int, int | None]] = []

    for number in range(1000):
        host.post(lambda number=number: calls.append((number, threading.get_ident())))
    host.stop()
    await host.join(5)

    assert calls == [(number, host.thread.ident) for number in range(1000)]


async def test_a_stop_lets_run_what_was_posted_before_and_drops_what_comes_after() -> None:
    host = Host.launch("stopping")
    calls: list[str] = []

    host.post(lambda: calls.append("before"))
    host.stop()
    await host.join(5)
    host.post(lambda: calls.append("after"))

    assert calls == ["before"]


def test_posting_to_a_loop_that_was_closed_is_dropped() -> None:
    async def adopt() -> Host:
        return Host.adopt()

    host = asyncio.run(adopt())

    for _ in range(2):
        host.post(lambda: None)


async def test_posts_from_many_threads_are_all_run() -> None:
    host = Host.launch("busy")
    calls: list[int] = []

    def post() -> None:
        for number in range(500):
            host.post(lambda number=number: calls.append(number))

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    host.stop()
    await host.join(5)

    assert len(calls) == 2000


async def test_a_stopped_host_cancels_what_was_left_behind() -> None:
    host = Host.launch("untidy")
    ended: list[str] = []

    async def leftover() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    tasks = []
    host.post(lambda: tasks.append(host.loop.create_task(leftover())))
    host.post(lambda: host.loop.call_soon(host.stop))
    await host.join(5)

    assert ended == ["cancelled"]
    assert host.loop.is_closed()


async def test_what_leaves_the_loop_of_a_host_that_stops_keeps_it_from_nothing() -> None:
    host = Host.launch("left")
    ended: list[str] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def leftover() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            host.loop.call_soon(interrupt)
            await asyncio.sleep(0.01)
            ended.append("cancelled")

    tasks = []
    host.post(lambda: tasks.append(host.loop.create_task(leftover())))
    with capture_logs() as logged:
        host.post(lambda: host.loop.call_soon(host.stop))
        await host.join(5)

    assert ended == ["cancelled"]
    assert host.loop.is_closed()
    assert [(each["event"], each["host"]) for each in logged] == [("loop_left", "left")]


async def test_a_dedicated_host_stops_with_its_last_actor() -> None:
    host = Host.launch("dedicated", dedicated=True)

    host.enter("first", id)
    host.enter("second", id)
    host.leave("first")
    assert host.thread.is_alive()
    host.leave("second")

    await host.join(5)
    assert not host.thread.is_alive()


async def test_joining_a_host_that_does_not_stop_gives_up() -> None:
    host = Host.launch("stubborn")

    await host.join(0.01)

    assert host.thread.is_alive()
    host.stop()
    await host.join(5)


async def test_an_error_in_a_loop_whose_log_record_cannot_be_made_stays_in_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> logging.LogRecord:
        raise LookupError("no record")

    monkeypatch.setattr(logging.getLogger("asyncio"), "makeRecord", refuse)
    host = Host.launch("unlogged")

    with capture_logs() as logged:
        host.post(lambda: host.loop.call_soon(lambda: 1 // 0))
        host.post(lambda: host.loop.call_soon(host.stop))
        await host.join(5)

    [error] = logged
    assert error["event"] == "loop_error"
    assert error["message"].startswith("Exception in callback")
    assert isinstance(error["exc_info"], ZeroDivisionError)


async def test_a_host_waits_while_its_loop_has_nothing_to_do() -> None:
    host = Host.launch("waiting")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not host.is_waiting():  # noqa: ASYNC110 - it goes to sleep without a word
                await asyncio.sleep(0)
    finally:
        host.stop()
        await host.join(TIMEOUT_S)


@pytest.mark.parametrize("does", ["blocks", "runs another loop"])
async def test_a_host_does_not_wait_while_a_function_runs_on_it(does: str) -> None:
    host, entered, leave = Host.launch("busy"), threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        leave.wait(TIMEOUT_S)

    def run_another_loop() -> None:
        asyncio._set_running_loop(None)  # as libraries do that nest loops
        loop = asyncio.new_event_loop()
        loop.call_soon(entered.set)
        loop.run_until_complete(loop.run_in_executor(None, leave.wait, TIMEOUT_S))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    host.post(block if does == "blocks" else run_another_loop)
    await asyncio.to_thread(entered.wait, TIMEOUT_S)
    seen = {host.is_waiting() for _ in range(1000)}
    leave.set()
    host.stop()
    await host.join(TIMEOUT_S)

    assert seen == {False}
