"""The event loop of a thread in which handlers run; it survives what they do to it."""

import asyncio
import os
import selectors
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from taskqueue.clock import with_bound_clock
from taskqueue.events import events
from taskqueue.process import origin
from taskqueue.process.forks import close_in_children
from taskqueue.process.hidden_tasks import hidden_task, hidden_tasks
from taskqueue.process.quick_loop import QuickLoop

T = TypeVar("T")
_File: TypeAlias = tuple[int, int]  # what a descriptor stands for: a device and an inode

# A loop that ends so often in a row without a whole turn is broken.
MOST_ENDS = 100

LEFTOVERS_S = 1.0
"""How long the tasks that user code has left behind may take to end once they are cancelled."""


class LoopLost(Exception):
    """User code has broken the loop: nothing can run on it anymore."""


class UserLoop(QuickLoop):
    """A loop on which the code of one handler does not affect the others.

    - A handler may close a socket that the loop still watches. The next file that is opened gets
      its number, and can be watched all the same.
    - A handler may unset the running loop, as libraries do that run a second loop inside it. The
      next turn sets it again.
    - A child that a handler has forked ends when it returns to the loop.
    """

    def __init__(self) -> None:
        origin.keep_streams()
        # A forked child shares the kernel's side of a selector. If it went on with the loop, it
        # would cancel what its parent waits for.
        super().__init__(close_in_children(_Selector()))
        with_bound_clock(self)
        self._process = os.getpid()
        self._ends = 0  # of `run_forever`, since the last whole turn
        self._turning = False  # whether `_turned` is going to be called

    def keep_running(self, host: str, is_wanted: Callable[[], bool]) -> None:
        """Run for as long as it is wanted, however often user code stops it.

        A SystemExit in a callback or a task leaves asyncio's loop. Everything that others wait for
        is still there when the loop goes on.

        Args:
            host: the name of what runs it, for the log.
            is_wanted: asked before each run; a caller that changes the answer must stop the loop.

        Raises:
            LoopLost: it was closed, or ends again and again without a turn. That is reported, and
                the loop closed.
        """
        while is_wanted():
            error = self._run_until_stopped()
            if os.getpid() != self._process:
                os._exit(1)
            if error is None and not is_wanted():
                return
            self._ends += 1
            if self._ends > MOST_ENDS or self.is_closed():
                events.error("loop_lost", host=host, exc_info=error)
                with suppress(Exception):  # as far as it can be closed
                    self.close()
                raise LoopLost(f"user code has broken the event loop of {host}") from error
            if self._ends == 1:  # else it is reported
                self._report(host, error)

    def complete(self, host: str, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result, whatever else happens on the loop meanwhile.

        Raises:
            LoopLost: as `keep_running`.
        """
        task = hidden_task(work, loop=self)
        task.add_done_callback(lambda _: self.stop())
        self.keep_running(host, lambda: not task.done())
        return task.result()

    def wind_up(self, host: str) -> None:
        """Cancel the tasks that user code has left behind, let them run once, and close the loop.

        Raises:
            LoopLost: as `keep_running`. The loop is closed as far as it can be.
        """
        leftovers = asyncio.all_tasks(self) | hidden_tasks(self)
        for task in leftovers:
            task.cancel()
        self.complete(host, self._ended(leftovers))
        self.close()

    async def _ended(self, leftovers: Collection["asyncio.Task[Any]"]) -> None:
        if leftovers:
            await asyncio.wait(leftovers, timeout=LEFTOVERS_S)
        await self.shutdown_asyncgens()

    def _report(self, host: str, error: BaseException | None) -> None:
        if error is None:
            events.warning("loop_stopped", host=host)
        else:
            events.error("loop_left", host=host, exc_info=error)

    def _run_until_stopped(self) -> BaseException | None:
        """Run until user code or the owner stops the loop; return the exception that left it."""
        try:
            if not self._turning:
                self.call_soon(self._turned)
                self._turning = True
            self.run_forever()
        except BaseException as error:  # noqa: BLE001 - it is reported
            return error
        return None

    def _turned(self) -> None:
        self._ends, self._turning = 0, False

    def _run_once(self) -> None:
        asyncio._set_running_loop(self)  # noqa: SLF001 - as `run_forever` does, once
        super()._run_once()  # type: ignore[misc]  # typeshed leaves it out

    def _ensure_fd_no_transport(self, fd: Any) -> None:
        number = fd if isinstance(fd, int) else getattr(fd, "fileno", lambda: -1)()
        transport = self._transports.get(number)  # type: ignore[attr-defined]  # likewise
        if transport is not None and transport.get_extra_info("socket").fileno() != number:
            del self._transports[number]  # type: ignore[attr-defined]  # its socket was closed
        super()._ensure_fd_no_transport(fd)  # type: ignore[misc]  # likewise


class _Selector(selectors.DefaultSelector):
    """A selector that drops a descriptor whose number now belongs to another file.

    epoll drops a descriptor when its file is closed. If the selector kept its entry, the new file
    under that number would seem to be watched, and would not be.
    """

    def __init__(self) -> None:
        super().__init__()
        self._files: dict[int, _File | None] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._files[key.fd] = _file_of(key.fd)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._files.pop(key.fd, None)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        if self.get_map() is None:  # user code has closed it
            raise KeyError(fileobj)
        key = super().get_key(fileobj)
        if _file_of(key.fd) not in {self._files[key.fd], None}:
            self.unregister(key.fd)
            raise KeyError(fileobj)
        return key


def _file_of(descriptor: int) -> _File | None:
    """Return which file a descriptor refers to; None if it is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
