"""The loop of a worker process, which its handlers may stop, leave, close or break."""

import os
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from taskqueue.process.user_loop import LoopLost, UserLoop

T = TypeVar("T")


class KeptLoop:
    """Runs coroutines to their end, one at a time, on a loop that is kept between them."""

    def __init__(self) -> None:
        self._name = f"worker {os.getpid()}"
        self._loop = UserLoop()

    def __enter__(self) -> "KeptLoop":
        """Do nothing: the loop is there."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what is left on the loop, and close it."""
        if not self._loop.is_closed():
            with suppress(LoopLost):
                self._loop.wind_up(self._name)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result, whatever else happens on the loop meanwhile.

        If the loop cannot go on, the process ends: the attempt has crashed, and the next one gets
        another process.
        """
        if self._loop.is_closed():  # by a handler that is no `async def`
            self._loop = UserLoop()
        try:
            return self._loop.complete(self._name, work)
        except LoopLost:
            os._exit(1)
