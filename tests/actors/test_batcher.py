"""The batcher: what gathers while a write is on its way goes out with the next."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from taskqueue.actors.batcher import Batcher


class Writer:
    """Writes when it is let, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Semaphore(0)
        self.error: Exception | None = None

    async def write(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        await self.gate.acquire()
        if self.error is not None:
            raise self.error
        return [10 * item for item in items]


class Tasks:
    def __init__(self) -> None:
        self.running: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self.running.append(asyncio.ensure_future(work))


async def begun(writer: Writer, batches: int) -> None:
    while len(writer.batches) < batches:  # noqa: ASYNC110 - it is one turn of this loop away
        await asyncio.sleep(0)


async def test_what_gathers_during_a_write_goes_out_with_the_next() -> None:
    writer, tasks = Writer(), Tasks()
    batcher: Batcher[int, int] = Batcher(writer.write, tasks.start)
    first = batcher.add(1)
    await begun(writer, 1)

    others = [batcher.add(n) for n in (2, 3, 4)]
    writer.gate.release()
    writer.gate.release()

    assert await first == 10
    assert await asyncio.gather(*others) == [20, 30, 40]
    assert writer.batches == [[1], [2, 3, 4]]


async def test_a_declared_error_reaches_those_it_concerns_and_writing_goes_on() -> None:
    writer, tasks = Writer(), Tasks()
    batcher: Batcher[int, int] = Batcher(writer.write, tasks.start, answers=(KeyError,))
    writer.error = KeyError("away")
    lost = batcher.add(1)
    writer.gate.release()

    with pytest.raises(KeyError):
        await lost

    writer.error = None
    kept = batcher.add(2)
    writer.gate.release()
    assert await kept == 20


async def test_any_other_error_is_the_owners() -> None:
    writer, tasks = Writer(), Tasks()
    batcher: Batcher[int, int] = Batcher(writer.write, tasks.start, answers=(KeyError,))
    writer.error = ZeroDivisionError("a bug")
    pending = batcher.add(1)
    writer.gate.release()

    with pytest.raises(ZeroDivisionError):
        await tasks.running[0]

    assert not pending.done()


async def test_idle_means_that_everything_is_written() -> None:
    writer, tasks = Writer(), Tasks()
    batcher: Batcher[int, int] = Batcher(writer.write, tasks.start)
    await batcher.idle()
    written = [batcher.add(n) for n in (1, 2)]
    idle = asyncio.ensure_future(batcher.idle())
    await begun(writer, 1)

    assert not idle.done()
    writer.gate.release()
    await idle

    assert all(future.done() for future in written)


async def test_one_who_gives_up_waiting_disturbs_nobody() -> None:
    writer, tasks = Writer(), Tasks()
    batcher: Batcher[int, int] = Batcher(writer.write, tasks.start)
    impatient, patient = batcher.add(1), batcher.add(2)
    await begun(writer, 1)

    impatient.cancel()
    writer.gate.release()

    assert await patient == 20
