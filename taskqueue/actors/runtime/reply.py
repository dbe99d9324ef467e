"""A reply: the future of an ask, which a thread can block on and any loop can await."""

import asyncio
import sys
import threading
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import pykka

T = TypeVar("T")

ExcInfo: TypeAlias = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

_PENDING = object()
# One lock for all: it is held for a few bytecodes, and a lock per reply would cost more memory and
# time than the contention does.
_lock = threading.Lock()


class Reply(pykka.Future[T]):
    """A value that is set once. What comes after the first is refused silently: a late answer.

    pykka's own future blocks the thread that awaits it; this one does not, and refuses to block a
    thread that runs a loop, because what it waits for may live on that very loop.
    """

    # In place of pykka's __init__: these are its defaults, without a cost per ask.
    _get_hook: Callable[[float | None], T] | None = None
    _get_hook_result: Any = pykka._future._Unset()  # noqa: SLF001

    def __init__(self) -> None:
        self._value: Any = _PENDING
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[], None]] | None = None

    def done(self) -> bool:
        """Tell whether there is an answer."""
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
        with _lock:
            if self._value is not _PENDING:
                return
            self._error = error
            self._value = value
            callbacks, self._callbacks = self._callbacks, None
        if callbacks is not None:
            for callback in callbacks:
                callback()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` on whichever thread answers; at once if there is an answer."""
        with _lock:
            if self._value is _PENDING:
                if self._callbacks is None:
                    self._callbacks = [callback]
                else:
                    self._callbacks.append(callback)
                return
        callback()

    def result(self) -> T:
        """Return the answer, or raise it. Only once `done`."""
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value

    def get(self, *, timeout: float | None = None) -> T:
        """Block this thread until there is an answer; return or raise it.

        Raises:
            pykka.Timeout: none came within `timeout` seconds.
            RuntimeError: this thread runs an event loop. Use `await`.
        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if not self.done():
            if asyncio._get_running_loop() is not None:  # noqa: SLF001
                raise RuntimeError("get() would block the event loop of this thread; await it")
            event = threading.Event()
            self.when_done(event.set)
            if not event.wait(timeout):
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
        """Wait for the answer at most `timeout_s` seconds, then raise `otherwise()`.

        One timer and one future: `asyncio.timeout` costs three times as much, and this is paid
        by every ask.
        """
        if self._value is _PENDING:
            loop = asyncio.get_running_loop()
            waiter = self._waiter(loop)
            timer = loop.call_later(timeout_s, _finish, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
            if self._value is _PENDING:
                raise otherwise()
        return self.result()

    def _waiter(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[None]":
        """Return a future of `loop` that is done as soon as this is."""
        waiter = loop.create_future()
        thread = threading.get_ident()

        def wake() -> None:
            if threading.get_ident() == thread:
                _finish(waiter)
            else:
                _finish_elsewhere(loop, waiter)

        self.when_done(wake)
        return waiter


def _finish(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _finish_elsewhere(loop: asyncio.AbstractEventLoop, waiter: "asyncio.Future[None]") -> None:
    try:
        loop.call_soon_threadsafe(_finish, waiter)
    except RuntimeError:  # that loop has been closed: nobody waits there any more
        return
