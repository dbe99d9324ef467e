"""A host: a thread with an asyncio loop, on which actors run.

Actors of one host never run at the same time. Calls to another host go through `post`, which wakes
its loop once for all waiting calls.
"""

import asyncio
import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from selectors import DefaultSelector
from types import FrameType
from typing import Any, Self

from taskqueue.events import events
from taskqueue.process.eager_tasks import Steps, new_task
from taskqueue.process.hidden_tasks import hidden_task, hide
from taskqueue.process.user_loop import LoopLost, UserLoop
from taskqueue.runtime.reply import Reply

_SELECT = DefaultSelector.select.__code__
_RUN_ONCE = asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]  # noqa: SLF001


class Host:
    """One thread's event loop, and the way into it from other threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, dedicated: bool = False) -> None:
        self.loop = loop
        self.thread = threading.current_thread()
        self._ident = self.thread.ident
        self.ended: Reply[None] = Reply()
        self.interrupted: list[object] = []
        """The actors whose current step is interrupted by the first step of another."""
        self._dedicated = dedicated
        self._residents: dict[object, Callable[[LoopLost], object]] = {}
        self._posted: deque[Callable[[], object]] = deque()
        # Reentrant, as every lock here: a finalizer or a signal handler may run inside and post.
        self._lock = threading.RLock()
        self._wake_pending = False
        self._closed = False

    @classmethod
    def adopt(cls) -> Self:
        """Make a host of the running loop and its thread."""
        return cls(asyncio.get_running_loop())

    @classmethod
    def launch(cls, name: str, *, dedicated: bool = False) -> Self:
        """Start a thread with a loop of its own, on which user code may run.

        It runs until `stop`; a `dedicated` one also stops when the last actor has left it. The
        thread is a daemon: one that hangs in a blocking call must not hold the process.
        """
        loop = UserLoop()
        loop.set_exception_handler(log_loop_error)
        host = cls(loop, dedicated=dedicated)
        host.thread = threading.Thread(target=host._run, args=(loop,), name=name, daemon=True)
        host.thread.start()
        host._ident = host.thread.ident
        return host

    def is_current(self) -> bool:
        """Return whether the caller runs on this host's thread."""
        return threading.get_ident() == self._ident

    def current_frame(self) -> FrameType | None:
        """Return the current frame of its thread, for debugging; None if it has ended."""
        frames = sys._current_frames()  # noqa: SLF001 - there is no other way to see another thread
        return None if self._ident is None else frames.get(self._ident)

    def is_waiting(self) -> bool:
        """Return whether its loop waits for events, from another thread without waking it."""
        frame = self.current_frame()
        if frame is None or frame.f_code is not _SELECT:
            return False
        loops = 0
        while frame is not None:
            loops += frame.f_code is _RUN_ONCE
            frame = frame.f_back
        return loops == 1  # else a loop inside of it waits

    def call(self, function: Callable[[], object]) -> None:
        """Run `function` on this host: at once if called there, else as soon as possible."""
        if threading.get_ident() == self._ident:
            function()
        else:
            self.post(function)

    def show_loop(self) -> None:
        """Set the running loop again, in case user code has unset it. On this host."""
        asyncio._set_running_loop(self.loop)  # noqa: SLF001 - there is no public way

    def post(self, function: Callable[[], object]) -> None:
        """Run `function` on this host later, in the order of posts; a stopped host drops it."""
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

    def create_task(
        self, work: Coroutine[Any, Any, None], *, name: str | None = None
    ) -> "asyncio.Task[None]":
        """Run a coroutine of an actor. On this host.

        On a dedicated host user code runs beside it. `asyncio.all_tasks` does not show it there:
        code that cancels all tasks of its loop would end the actor, and wait for it for ever.
        """
        if self._dedicated:
            return hidden_task(work, loop=self.loop, name=name)
        return self.loop.create_task(work, name=name)

    def new_task(
        self, work: Coroutine[Any, Any, None], context: Context
    ) -> "tuple[asyncio.Task[None], Steps[None]]":
        """Return a task for a coroutine of an actor, and its first step. On this host."""
        task, steps = new_task(work, self.loop, context)
        if self._dedicated:
            hide(task)
        return task, steps

    def enter(self, resident: object, lose: Callable[[LoopLost], object]) -> None:
        """Register an actor that is going to run here.

        `lose` is called, on this thread, if user code breaks the loop; nothing runs here then.
        """
        with self._lock:
            self._residents[resident] = lose

    def leave(self, resident: object) -> None:
        """Unregister an actor. From any thread."""
        with self._lock:
            self._residents.pop(resident, None)
            deserted = self._dedicated and not self._residents
        if deserted:
            self.stop()

    def stop(self) -> None:
        """End the loop of a launched host after what was posted before. Does not wait."""
        self.post(self._stop)

    def _stop(self) -> None:
        self._close()
        self.loop.stop()

    def _close(self) -> None:
        with self._lock:
            self._closed = True

    async def join(self, timeout_s: float) -> None:
        """Wait until the thread of a stopped host is gone, at most `timeout_s` seconds."""
        with contextlib.suppress(TimeoutError):
            await self.ended.within(timeout_s, TimeoutError)
            self.thread.join()  # it has nothing left to do

    def _run(self, loop: UserLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.keep_running(self.thread.name, lambda: not self._closed)
            loop.wind_up(self.thread.name)
        except LoopLost as lost:
            self._close()
            while self._residents:
                self._residents.popitem()[1](lost)
        finally:
            self.ended.set()


def log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an unhandled error of a loop, as asyncio does, but never raise.

    In asyncio's own handler an error of the log call itself (for example from a record factory of
    the app) would leave the loop.
    """
    try:
        loop.default_exception_handler(context)
    except BaseException as error:  # noqa: BLE001 - user code may raise anything
        events.error(
            "loop_error", message=context.get("message"), exc_info=context.get("exception") or error
        )
