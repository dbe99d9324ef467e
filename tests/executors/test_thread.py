"""The thread executor: its threads, and handlers that never return."""

import asyncio
import ctypes
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from taskqueue import App, Context
from taskqueue.executors import thread as thread_module
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.rules.tasks import Failed, Outcome, Succeeded
from taskqueue.testing.claims import claimed

SLOTS = 2
WAIT_S = 30.0


@pytest.fixture
async def executor() -> AsyncIterator[ThreadExecutor]:
    made = ThreadExecutor(SLOTS, name="test-handler")
    yield made
    made.close()


async def run(executor: ThreadExecutor, body: Callable[[], object]) -> Outcome:
    app = App()

    @app.task("work")
    def work(ctx: Context) -> object:
        return body()

    context = Context(claimed(app.prepare("work")))
    return await executor.run(app.handler("work"), context, {})


def handler_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("test-handler")}


async def users(executor: ThreadExecutor, count: int) -> set[threading.Thread]:
    """Run so many handlers at once, and return their threads."""
    meeting = threading.Barrier(count, timeout=WAIT_S)
    met: set[threading.Thread] = set()

    def body() -> None:
        met.add(threading.current_thread())
        meeting.wait()

    await asyncio.gather(*(run(executor, body) for _ in range(count)))
    return met


async def ended(threads: set[threading.Thread]) -> None:
    for thread in threads:
        await asyncio.to_thread(thread.join, WAIT_S)
        assert not thread.is_alive()


async def test_the_loop_goes_on_while_a_handler_blocks(executor: ThreadExecutor) -> None:
    gate = threading.Event()

    running = asyncio.create_task(run(executor, lambda: gate.wait(WAIT_S)))
    await asyncio.sleep(0)  # runs on: a handler on the loop would block it here for ever
    gate.set()

    assert await running == Succeeded(result="true")


async def test_handlers_run_beside_each_other(executor: ThreadExecutor) -> None:
    meeting = threading.Barrier(SLOTS, timeout=WAIT_S)

    outcomes = await asyncio.gather(*(run(executor, meeting.wait) for _ in range(SLOTS)))

    assert {outcome.result for outcome in outcomes} == {"0", "1"}  # type: ignore[union-attr]


async def test_an_idle_thread_is_used_again(executor: ThreadExecutor) -> None:
    names = {await run(executor, lambda: threading.current_thread().name) for _ in range(10)}

    assert names == {Succeeded(result='"test-handler-1"')}


async def test_no_more_threads_are_kept_than_there_are_slots(executor: ThreadExecutor) -> None:
    crowd = await users(executor, SLOTS + 3)
    kept = await users(executor, SLOTS)

    assert kept < crowd
    await ended(crowd - kept)


async def test_as_many_threads_are_kept_as_there_are_slots_now(executor: ThreadExecutor) -> None:
    executor.resize(SLOTS + 1)
    crowd = await users(executor, SLOTS + 1)
    again = await users(executor, SLOTS + 1)
    executor.resize(1)
    last = await users(executor, 1)

    assert again == crowd
    assert last < crowd
    await ended(crowd - last)


async def test_a_cancelled_caller_leaves_its_handler_behind_and_the_next_ones_run(
    executor: ThreadExecutor,
) -> None:
    gates = [threading.Event() for _ in range(SLOTS)]
    started = [asyncio.Event() for _ in range(SLOTS)]
    left: list[threading.Thread] = []
    loop = asyncio.get_running_loop()
    complaints: list[object] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    def stuck(number: int) -> None:
        left.append(threading.current_thread())
        loop.call_soon_threadsafe(started[number].set)
        gates[number].wait(WAIT_S)

    callers = [
        asyncio.create_task(run(executor, lambda number=number: stuck(number)))  # type: ignore[misc]
        for number in range(SLOTS)
    ]
    for event in started:
        await event.wait()
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)

    next_ones = await asyncio.gather(*(run(executor, lambda: 1) for _ in range(SLOTS)))

    assert all(caller.cancelled() for caller in callers)
    assert next_ones == [Succeeded(result="1")] * SLOTS
    executor.close()
    for gate in gates:
        gate.set()
    await ended(set(left))
    assert complaints == []  # the late ends were not heard


async def test_closing_ends_the_idle_threads_and_the_busy_one_when_it_is_done() -> None:
    executor = ThreadExecutor(SLOTS, name="test-handler")
    gate = threading.Event()
    running = asyncio.create_task(run(executor, lambda: gate.wait(WAIT_S)))
    await run(executor, lambda: 1)
    threads = handler_threads()

    executor.close()
    executor.close()
    gate.set()

    assert await running == Succeeded(result="true")
    await ended(threads)


async def test_what_is_still_given_to_a_closed_executor_runs(executor: ThreadExecutor) -> None:
    await run(executor, lambda: 1)

    executor.close()

    assert await run(executor, lambda: 2) == Succeeded(result="2")
    await ended(handler_threads())


def test_a_busy_thread_of_a_closed_executor_ends_although_its_loop_stands_still() -> None:
    gate = threading.Event()
    executor = ThreadExecutor(SLOTS, name="test-handler")

    async def leave_busy() -> None:
        started = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stuck() -> None:
            loop.call_soon_threadsafe(started.set)
            gate.wait(WAIT_S)

        caller = asyncio.create_task(run(executor, stuck))
        await started.wait()
        caller.cancel()
        await asyncio.wait({caller})

    with asyncio.Runner() as runner:
        runner.run(leave_busy())
        [thread] = handler_threads()
        executor.close()
        gate.set()
        thread.join(WAIT_S)

        assert not thread.is_alive()


def test_a_thread_ends_when_its_loop_is_gone() -> None:
    gate = threading.Event()
    threads: list[threading.Thread] = []

    async def abandon() -> None:
        started = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stuck() -> None:
            threads.append(threading.current_thread())
            loop.call_soon_threadsafe(started.set)
            gate.wait(WAIT_S)

        caller = asyncio.create_task(run(ThreadExecutor(SLOTS), stuck))
        await started.wait()
        caller.cancel()

    asyncio.run(abandon())
    gate.set()

    [thread] = threads
    thread.join(WAIT_S)
    assert not thread.is_alive()


async def test_an_idle_thread_keeps_nothing_of_a_finished_task(executor: ThreadExecutor) -> None:
    class Big:
        pass

    big: Big | None = Big()
    gone = threading.Event()
    weakref.finalize(big, gone.set)

    await run(executor, lambda big=big: None)  # type: ignore[misc]
    del big
    gc.collect()

    assert await asyncio.to_thread(gone.wait, WAIT_S)


class Late(BaseException):
    """What a library raises in a thread when the time of a call is up."""


def raise_in(thread: int) -> None:
    """Have `Late` raised in a thread, as soon as it runs Python."""
    interpreter = ctypes.pythonapi
    assert (
        interpreter.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Late)) == 1
    )


async def test_an_exception_that_is_too_late_for_its_handler_does_not_cost_the_next_one(
    executor: ThreadExecutor,
) -> None:
    for _ in range(20):
        first = await run(executor, threading.get_ident)
        assert isinstance(first, Succeeded)
        raise_in(int(first.result))
        assert await asyncio.wait_for(run(executor, lambda: "done"), WAIT_S) == Succeeded(
            result='"done"'
        )

    assert len(handler_threads()) == 1


async def test_an_exception_between_a_handler_and_its_report_fails_that_attempt(
    executor: ThreadExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_of = thread_module.end_of

    def interrupted(work: Callable[[], object]) -> object:
        monkeypatch.setattr(thread_module, "end_of", end_of)
        end_of(work)
        raise ValueError("from outside")

    monkeypatch.setattr(thread_module, "end_of", interrupted)
    calls: list[int] = []

    outcome = await asyncio.wait_for(run(executor, lambda: calls.append(1)), WAIT_S)

    assert isinstance(outcome, Failed)
    assert outcome.error == "ValueError: from outside"
    assert calls == [1]
    assert await run(executor, lambda: 2) == Succeeded(result="2")


async def test_an_exception_during_a_report_does_not_cost_the_report(
    executor: ThreadExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    post, reports = loop.call_soon_threadsafe, 0

    def interrupted(*args: Any, **kwargs: Any) -> asyncio.Handle:
        nonlocal reports
        reports += 1
        handle = post(*args, **kwargs)
        if reports == 1:
            raise RuntimeError("from outside")
        return handle

    monkeypatch.setattr(loop, "call_soon_threadsafe", interrupted)

    assert await asyncio.wait_for(run(executor, lambda: 1), WAIT_S) == Succeeded(result="1")
    assert await asyncio.wait_for(run(executor, lambda: 2), WAIT_S) == Succeeded(result="2")
    assert (reports, len(handler_threads())) == (3, 1)


def test_a_handler_that_never_returns_does_not_keep_the_process_alive() -> None:
    script = """
import asyncio, threading
from taskqueue import App, Context
from taskqueue.executors.attempt import attempt
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.api.handler import ExecutorKind
from taskqueue.rules.tasks import Task
from taskqueue.testing.claims import claimed

app = App()
started = threading.Event()

@app.task("stuck")
def stuck(ctx: Context) -> None:
    started.set()
    threading.Event().wait()

async def main() -> None:
    task = claimed(app.prepare("stuck"))
    executor = ThreadExecutor(slots=1)
    running = asyncio.create_task(attempt(app, task, {ExecutorKind.THREAD: executor}))
    await asyncio.to_thread(started.wait)
    running.cancel()
    executor.close()

asyncio.run(main())
print("the end")
"""
    root = Path(__file__).parents[2]

    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        timeout=WAIT_S,
        capture_output=True,
        text=True,
        check=True,
    )

    assert (ran.stdout, ran.stderr) == ("the end\n", "")
