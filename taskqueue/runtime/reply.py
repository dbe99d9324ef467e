"""A reply: the future of an ask, which a thread can block on and any loop can await."""

import asyncio
import sys
import threading
from collections.abc import Callable, Generator
from functools import partial
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import pykka

from taskqueue.events import events
from taskqueue.runtime.deadlines import Deadline

T = TypeVar("T")

ExcInfo: TypeAlias = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

_PENDING = object()


class Reply(pykka.Future[T]):
    """A value that is set once; later answers are ignored.

    pykka's own future blocks the thread that awaits it; this one does not. It refuses to block a
    thread that runs a loop, because the answering actor may be on that loop.

    There is no lock: an ask would take it four times, and a signal handler could deadlock. As
    `list.pop` is atomic, exactly one thread may answer, and exactly one runs each callback.
    """

    # Defaults of the class, so that an ask does not pay for them; the first two are pykka's.
    _get_hook: Callable[[float | None], T] | None = None
    _get_hook_result: Any = pykka._future._Unset()  # noqa: SLF001
    _error: BaseException | None = None
    _value: Any = _PENDING

    def __init__(self) -> None:
        """Create one without an answer."""
        self._right_to_answer = [True]
        self._callbacks: list[Callable[[], None]] = []

    def done(self) -> bool:
        """Return whether there is an answer."""
        return self._value is not _PENDING

    def set(self, value: Any = None) -> None:
        """Answer. Does nothing if there is an answer already."""
        self._settle(value, None)

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Answer with an exception: the one given, or the one being handled (pykka's form)."""
        error = exc_info[1] if exc_info is not None else sys.exc_info()[1]
        self._settle(None, error)

    def fail(self, error: BaseException) -> None:
        """Answer with an exception. Does nothing if there is an answer already."""
        self._settle(None, error)

    def _settle(self, value: Any, error: BaseException | None) -> None:
        try:
            self._right_to_answer.pop()
        except IndexError:
            return
        self._error = error
        self._value = value
        self._tell()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the thread that answers, or at once if there is an answer.

        Its exceptions are only logged, so they do not affect the answering actor.
        """
        self._callbacks.append(callback)
        if self._value is not _PENDING:
            self._tell()

    def _tell(self) -> None:
        while self._callbacks:
            try:
                callback = self._callbacks.pop(0)
            except IndexError:  # another thread has it
                return
            try:
                callback()
            except BaseException as error:  # noqa: BLE001 - user code
                events.error("reply_callback_failed", exc_info=error)

    def result(self) -> T:
        """Return the answer, or raise it. Only once `done`."""
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value

    def exception(self) -> BaseException | None:
        """Return the answer if that is an exception. Only once `done`."""
        return self._error

    def get(self, *, timeout: float | None = None) -> T:
        """Block this thread until there is an answer; return or raise it.

        Raises:
            pykka.Timeout: there was none within `timeout` seconds.
            RuntimeError: this thread runs an event loop. Use `await`.
        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if not self.done():
            refuse_to_block()
            # A bare lock, let go by the answer, is an event at a fraction of its price.
            unanswered = threading.Lock()
            unanswered.acquire()
            self.when_done(unanswered.release)
            if not unanswered.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
                raise pykka.Timeout(f"{timeout} seconds")
        return self.result()

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the answer without blocking the loop."""
        if self._get_hook is not None:
            raise TypeError("a mapped pykka future cannot be awaited; await the original")
        if self._value is _PENDING:
            yield from self._waiter(asyncio.get_running_loop())
        return self.result()

    async def within(self, timeout_s: float, otherwise: Callable[[], Exception]) -> T:
        """Wait for the answer at most `timeout_s` seconds, then raise `otherwise()`."""
        if self._value is _PENDING:
            loop = asyncio.get_running_loop()
            waiter = self._waiter(loop)
            deadline = Deadline.of(loop, timeout_s)
            deadline.begin(waiter)
            try:
                await waiter
            finally:
                deadline.end(waiter)
            if self._value is _PENDING:
                raise otherwise()
        return self.result()

    def waiter(self, timeout_s: float) -> "asyncio.Future[None]":
        """Return a future of this loop: done when there is an answer, or after `timeout_s` seconds.

        For a caller that only needs a callback, and no task to wait in.
        """
        loop = asyncio.get_running_loop()
        waiter = self._waiter(loop)
        deadline = Deadline.of(loop, timeout_s)
        deadline.begin(waiter)
        waiter.add_done_callback(deadline.end)
        return waiter

    def _waiter(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[None]":
        """Return a future of `loop`, which runs here, that is done as soon as this is."""
        waiter = loop.create_future()
        self.when_done(partial(_wake, waiter, loop, threading.get_ident()))
        return waiter


def refuse_to_block() -> None:
    """Raise RuntimeError on a thread that runs an event loop."""
    if asyncio._get_running_loop() is not None:  # noqa: SLF001
        raise RuntimeError("this would block the event loop of this thread; await instead")


def _wake(waiter: "asyncio.Future[None]", loop: asyncio.AbstractEventLoop, thread: int) -> None:
    if threading.get_ident() == thread:
        if not waiter.done():
            waiter.set_result(None)
        return
    try:
        loop.call_soon_threadsafe(_finish, waiter)
    except RuntimeError:  # that loop has been closed: nothing waits there any more
        return


def _finish(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
