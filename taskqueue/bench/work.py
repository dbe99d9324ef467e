"""The work that is measured: handlers that do next to nothing."""

import asyncio
from collections.abc import Callable
from time import perf_counter

from taskqueue.api.app import App
from taskqueue.api.context import Context


class Work:
    """An app with one action, whose handler is counted and may be waited for."""

    def __init__(self) -> None:
        self.app = App()
        self._ran: list[None] = []
        self._tell: Callable[[float], object] | None = None
        self.no_op = self.app.task("no_op")(self._no_op)

    @property
    def done(self) -> int:
        """How many handlers have run."""
        return len(self._ran)

    async def started_after_s(self) -> float:
        """Enqueue a task; return how long it took until its handler ran."""
        loop = asyncio.get_running_loop()
        started: asyncio.Future[float] = loop.create_future()
        # A consumer has a loop of its own.
        self._tell = lambda at: loop.call_soon_threadsafe(started.set_result, at)
        began = perf_counter()
        await self.no_op.enqueue()
        return await started - began

    async def _no_op(self, ctx: Context) -> None:
        at = perf_counter()
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(at)
        self._ran.append(None)  # by many threads: a number counted up here would miss some
