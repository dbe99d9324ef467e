"""A host: the thread with an asyncio loop on which actors live.

Actors of one host never run at the same time. Between hosts everything travels through `post`,
which wakes the other loop once for all that waits.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Self


class Host:
    """One thread's event loop, and the way into it from other threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        self.loop = loop
        self.thread = thread
        self._ident = thread.ident
        self._posted: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()
        self._wake_pending = False
        self._closed = False

    @classmethod
    def adopt(cls) -> Self:
        """Make a host of the running loop and its thread."""
        return cls(asyncio.get_running_loop(), threading.current_thread())

    @classmethod
    def launch(cls, name: str) -> Self:
        """Start a thread with a loop of its own; it runs until `stop`.

        The thread is a daemon: one that hangs in a blocking call must not hold the process.
        """
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=(loop,), name=name, daemon=True)
        thread.start()
        return cls(loop, thread)

    def is_current(self) -> bool:
        """Tell whether the caller runs on this host's thread."""
        return threading.get_ident() == self._ident

    def call(self, function: Callable[[], object]) -> None:
        """Run `function` on this host: at once if we are there, else as soon as it gets to it."""
        if threading.get_ident() == self._ident:
            function()
        else:
            self.post(function)

    def post(self, function: Callable[[], object]) -> None:
        """Run `function` on this host, later. Order of posts is kept; a stopped host drops it."""
        with self._lock:
            if self._closed:
                return
            self._posted.append(function)
            if self._wake_pending:
                return
            self._wake_pending = True
            try:
                self.loop.call_soon_threadsafe(self._run_posted)
            except RuntimeError:  # the loop was closed under us: its actors have all ended
                self._closed = True

    def _run_posted(self) -> None:
        with self._lock:
            self._wake_pending = False
            posted, self._posted = self._posted, deque()
        for function in posted:
            function()

    def stop(self) -> None:
        """End the loop of a launched host after what was posted before. Does not wait."""

        def close() -> None:
            with self._lock:
                self._closed = True
            self.loop.stop()

        self.post(close)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        _cancel_leftovers(loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _cancel_leftovers(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what user code left behind, and give it one chance to notice."""
    leftovers = asyncio.all_tasks(loop)
    for task in leftovers:
        task.cancel()
    if leftovers:
        loop.run_until_complete(asyncio.wait(leftovers, timeout=1.0))
