"""Group commit from above: what gathers while one write is on its way goes out with the next."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Writes items in batches: as soon as the last write ended, with all that waits. No timer."""

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        start_task: Callable[[Coroutine[Any, Any, None]], object],
        *,
        answers: tuple[type[Exception], ...] = (),
    ) -> None:
        """Make an idle batcher.

        Args:
            write: writes some items; answers one by one, in order.
            start_task: runs a coroutine as part of whoever owns the batcher.
            answers: what `write` may raise at those whose items it could not write. Anything else
                is the owner's crash.
        """
        self._write = write
        self._start_task = start_task
        self._answers = answers
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, item: T) -> "asyncio.Future[R]":
        """Write `item` with the next batch; the future is its answer."""
        written: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._idle.is_set():
            self._idle.clear()
            self._start_task(self._run())
        return written

    async def idle(self) -> None:
        """Wait until everything added has been written."""
        await self._idle.wait()

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                answers = await self._write([item for item, _ in batch])
            except self._answers as error:
                for _, written in batch:
                    _fail(written, error)
                continue
            for (_, written), answer in zip(batch, answers, strict=True):
                if not written.done():
                    written.set_result(answer)
        self._idle.set()


def _fail(written: "asyncio.Future[R]", error: Exception) -> None:
    if not written.done():
        written.set_exception(error)
        written.exception()  # whoever gave up waiting does not read it; that is no leak
