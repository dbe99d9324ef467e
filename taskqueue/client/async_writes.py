"""Tells coroutines when the log of a file was written, with one watch for all of them."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

ASK_S = 0.1
"""How long a wait lasts while there is no log to watch; then its caller looks for itself."""


class Watch(Protocol):
    """A descriptor that becomes readable when the log is written, removed or replaced."""

    @property
    def is_lost(self) -> bool:
        """Whether another log stands in its place, or none: nothing more is to be expected."""
        ...

    def fileno(self) -> int:
        """Return the descriptor."""
        ...

    def drain(self) -> bool:
        """Forget what has happened so far; tell whether the log was written or is lost."""
        ...

    def close(self) -> None:
        """Close the descriptor."""
        ...


class AsyncWrites:
    """Counts writes to a log while a coroutine waits for one. It belongs to one loop."""

    def __init__(self, begin: Callable[[], Watch]) -> None:
        """Make one; `begin` begins to watch the log, or raises `OSError`."""
        self.count = 0
        self._begin = begin
        self._users = 0
        self._watch: Watch | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    @contextmanager
    def watched(self) -> Iterator[bool]:
        """Watch until the block ends; yield whether the system tells of writes."""
        self._users += 1
        try:
            yield self._watch is not None or self._begin_watch()
        finally:
            self._users -= 1
            if self._users == 0:
                self._close_watch()

    async def wait(self, seen: int, timeout_s: float) -> None:
        """Wait until the `count` is not `seen` any more, for `timeout_s` at most; maybe for less.

        A log that was removed or replaced counts as written, and the next one is watched.
        To be called inside `watched`, if that has yielded True.
        """
        if self.count != seen:
            return
        if self._watch is None:
            if self._begin_watch():
                self.count += 1  # of what was written before, nothing is known
            else:
                await asyncio.sleep(min(timeout_s, ASK_S))
            return
        written = asyncio.get_running_loop().create_future()
        if not self._waiting:
            asyncio.get_running_loop().add_reader(self._watch, self._on_event)
        self._waiting.add(written)
        try:
            await asyncio.wait((written,), timeout=timeout_s)
        finally:
            self._waiting.remove(written)
            if not self._waiting:
                self._stop_reading()

    def _begin_watch(self) -> bool:
        with contextlib.suppress(OSError):
            self._watch = self._begin()
        return self._watch is not None

    def _on_event(self) -> None:
        if self._watch is None or not self._watch.drain():
            return
        self.count += 1
        for written in self._waiting:
            if not written.done():
                written.set_result(None)
        if self._watch.is_lost:
            self._close_watch()

    def _close_watch(self) -> None:
        self._stop_reading()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _stop_reading(self) -> None:
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch)
