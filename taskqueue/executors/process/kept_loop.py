"""The loop of a worker process, which its handlers may stop, leave or close."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from taskqueue.clock import with_bound_clock
from taskqueue.events import events
from taskqueue.process.hidden_tasks import hidden_task

T = TypeVar("T")


def _new_runner() -> asyncio.Runner:
    return asyncio.Runner(loop_factory=lambda: with_bound_clock(asyncio.new_event_loop()))


class KeptLoop:
    """Runs coroutines to their end, one at a time, on a loop that is kept between them."""

    def __init__(self) -> None:
        self._runner = _new_runner()

    def __enter__(self) -> "KeptLoop":
        """Make the loop."""
        self._runner.get_loop()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what is left on the loop, and close it."""
        if not self._runner.get_loop().is_closed():
            self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result, whatever else happens on the loop meanwhile."""
        # Not by the runner, which sets a signal handler before and takes it back after.
        loop = self._open_loop()
        task = hidden_task(work, loop=loop)
        while not task.done():
            self._run_until(task, loop)
        return task.result()

    def _open_loop(self) -> asyncio.AbstractEventLoop:
        if self._runner.get_loop().is_closed():  # by a handler that is no `async def`
            self._runner = _new_runner()
        return self._runner.get_loop()

    def _run_until(self, task: "asyncio.Task[Any]", loop: asyncio.AbstractEventLoop) -> None:
        """Run until the task is done, or user code has ended that run of the loop."""
        task.add_done_callback(_stop_loop)
        try:
            loop.run_forever()
        except BaseException as error:  # noqa: BLE001 - it is reported
            events.error("loop_left", host=f"worker {os.getpid()}", exc_info=error)
        else:
            if not task.done():
                events.warning("loop_stopped", host=f"worker {os.getpid()}")
        finally:
            task.remove_done_callback(_stop_loop)


def _stop_loop(task: "asyncio.Task[Any]") -> None:
    task.get_loop().stop()
