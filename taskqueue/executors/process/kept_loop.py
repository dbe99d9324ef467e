"""The loop of a worker process, which its handlers may stop, leave, close or break."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from taskqueue.process.hidden_tasks import hidden_task
from taskqueue.process.user_loop import LoopLost, UserLoop

T = TypeVar("T")


class KeptLoop:
    """Runs coroutines to their end, one at a time, on a loop that is kept between them."""

    def __init__(self) -> None:
        self._renew()

    def __enter__(self) -> "KeptLoop":
        """Do nothing: the loop is there."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what is left on the loop, and close it."""
        if not self._loop.is_closed():
            self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result, whatever else happens on the loop meanwhile.

        If the loop cannot go on, the process ends: the attempt has crashed, and the next one gets
        another process.
        """
        if self._loop.is_closed():  # by a handler that is no `async def`
            self._renew()
        # Not by the runner, which sets a signal handler before and takes it back after.
        task = hidden_task(work, loop=self._loop)
        task.add_done_callback(_stop_loop)
        try:
            self._loop.keep_running(f"worker {os.getpid()}", lambda: not task.done())
        except LoopLost:
            os._exit(1)
        return task.result()

    def _renew(self) -> None:
        self._loop = UserLoop()
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self._runner.get_loop()


def _stop_loop(task: "asyncio.Task[Any]") -> None:
    task.get_loop().stop()
