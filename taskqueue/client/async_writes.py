"""Tells coroutines when the log of a file was written, with one watch for all of them."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Watch(Protocol):
    """A descriptor that becomes readable when the log is written."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...

    def drain(self) -> None:
        """Forget all writes so far."""
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
        if self._watch is None:
            with contextlib.suppress(OSError):
                self._watch = self._begin()
        try:
            yield self._watch is not None
        finally:
            self._users -= 1
            if self._users == 0 and self._watch is not None:
                self._watch.close()
                self._watch = None

    async def wait(self, seen: int, timeout_s: float) -> None:
        """Wait until the `count` is not `seen` any more, for `timeout_s` at most.

        To be called inside `watched`, if that has yielded True.
        """
        watch = self._watch
        if self.count != seen or watch is None:
            return
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        if not self._waiting:
            loop.add_reader(watch, self._on_written)
        self._waiting.add(written)
        try:
            await asyncio.wait((written,), timeout=timeout_s)
        finally:
            self._waiting.remove(written)
            if not self._waiting:
                loop.remove_reader(watch)

    def _on_written(self) -> None:
        if self._watch is not None:
            self._watch.drain()
        self.count += 1
        for written in self._waiting:
            if not written.done():
                written.set_result(None)
