"""The floors of the actors: the least that plain asyncio, plain threads and stock pykka need.

They promise nothing: no timeout, no order at the end, no answer if somebody dies.
"""

import asyncio
import threading
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeAlias

import pykka

from benchmarks.harness import Measure, async_rate, kb_each, median_us, on_loop, rate
from benchmarks.stopwatch import Stopwatch

Asked: TypeAlias = tuple["asyncio.Future[int]", int]

# --- a task behind a queue ----------------------------------------------------------------------


async def _answer(asked: "asyncio.Queue[Asked]") -> None:
    while True:
        future, number = await asked.get()
        future.set_result(number)


def _ask(asked: "asyncio.Queue[Asked]") -> "asyncio.Future[int]":
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asked.put_nowait((future, 1))
    return future


def queue_asks(in_flight: int) -> Measure:
    """Return round trips per second through a queue and a future, on one loop."""

    @on_loop
    async def measured(seconds: float) -> float:
        asked: asyncio.Queue[Asked] = asyncio.Queue()
        answering = asyncio.create_task(_answer(asked))

        async def once() -> None:
            await _ask(asked)

        async def many() -> None:
            for future in [_ask(asked) for _ in range(in_flight)]:
                await future

        found = in_flight * await async_rate(once if in_flight == 1 else many, seconds)
        answering.cancel()
        return found

    return measured


async def _wait_for_ever() -> None:
    await asyncio.Queue[None]().get()


@on_loop
async def tasks_per_second(seconds: float) -> float:
    """Return how many tasks per second can be started and cancelled, 1,000 alive at once."""

    async def once() -> None:
        tasks = [asyncio.create_task(_wait_for_ever()) for _ in range(1_000)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    return 1_000 * await async_rate(once, seconds)


def kb_of_a_task() -> float:
    """Return the memory of a task that waits on a queue, one of 10,000."""

    async def make() -> object:
        task = asyncio.create_task(_wait_for_ever())
        await asyncio.sleep(0)
        return task

    return asyncio.run(kb_each(make, 10_000))


class _Broken(Exception):
    """What the task dies of."""


def task_recreated(*, by_cancelling: bool) -> Measure:
    """Return the µs from a task's end to the start of the one its done-callback makes."""

    @on_loop
    async def measured(seconds: float) -> float:
        watch = Stopwatch()
        commands: asyncio.Queue[None] = asyncio.Queue()
        task: asyncio.Task[None]

        async def fragile() -> None:
            watch.stop()
            await commands.get()
            watch.start()
            raise _Broken

        def recreate(ended: "asyncio.Task[None] | None" = None) -> None:
            nonlocal task
            if ended is not None and not ended.cancelled():
                ended.exception()
            task = asyncio.create_task(fragile())
            task.add_done_callback(recreate)

        def harm() -> None:
            if by_cancelling:
                watch.start()
                task.cancel()
            else:
                commands.put_nowait(None)

        recreate()
        await asyncio.sleep(0)
        found = await median_us(partial(watch.lap_s, harm), seconds)
        task.remove_done_callback(recreate)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return found

    return measured


# --- two threads ----------------------------------------------------------------------------------


def thread_asks(seconds: float) -> float:
    """Return round trips per second between two threads with a queue each."""
    asked: SimpleQueue[int | None] = SimpleQueue()
    answered: SimpleQueue[int] = SimpleQueue()

    def answer() -> None:
        while (number := asked.get()) is not None:
            answered.put(number)

    def once() -> None:
        asked.put(1)
        answered.get()

    thread = threading.Thread(target=answer)
    thread.start()
    found = rate(once, seconds)
    asked.put(None)
    thread.join()
    return found


@on_loop
async def loop_asks(seconds: float) -> float:
    """Return round trips per second between the loops of two threads."""
    here, there = asyncio.get_running_loop(), asyncio.new_event_loop()
    thread = threading.Thread(target=there.run_forever)
    thread.start()

    async def once() -> None:
        future: asyncio.Future[int] = here.create_future()
        there.call_soon_threadsafe(here.call_soon_threadsafe, future.set_result, 1)
        await future

    found = await async_rate(once, seconds)
    there.call_soon_threadsafe(there.stop)
    thread.join()
    there.close()
    return found


# --- pykka as it comes ----------------------------------------------------------------------------


class _Echo(pykka.ThreadingActor):
    def on_receive(self, message: Any) -> Any:
        return message


def pykka_asks(seconds: float) -> float:
    """Return asks per second of a stock ThreadingActor."""
    ref = _Echo.start()
    found = rate(partial(ref.ask, 1), seconds)
    ref.stop()
    return found


def pykka_actors_per_second(seconds: float) -> float:
    """Return how many ThreadingActors per second start and stop, 1,000 alive at once."""

    def once() -> None:
        refs = [_Echo.start() for _ in range(1_000)]
        for ref in refs:
            ref.stop()

    return 1_000 * rate(once, seconds)
