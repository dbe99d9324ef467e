"""Runs `def` handlers in threads beside the loop of their consumer."""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from queue import SimpleQueue
from typing import Any

from taskqueue.api.context import Context
from taskqueue.api.handler import Handler
from taskqueue.executors.calling import called
from taskqueue.executors.eager import eagerly
from taskqueue.executors.forked import end_if_forked
from taskqueue.executors.lines import Frames, stack_of_thread
from taskqueue.executors.middleware import inside_middleware
from taskqueue.executors.outcome import outcome_of
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.executors.unfinished import unfinished
from taskqueue.process.forks import generation
from taskqueue.rules.running import NO_STACK, HandlerStack
from taskqueue.rules.tasks import Outcome, Task

Work = Callable[[], object]
End = tuple[object, BaseException | None]  # what was returned, or what was raised


class ThreadExecutor:
    """Runs each handler in a thread, and keeps up to `slots` idle threads for the next ones.

    Belongs to the loop it is used on. A thread cannot be stopped: when the caller is cancelled, the
    handler runs on and its outcome is discarded. It occupies no slot of its consumer (those of a
    limit are kept, see `unfinished`), and as a daemon thread it does not keep the process alive.
    (`concurrent.futures` joins its threads at exit, for ever.)
    """

    def __init__(self, slots: int, *, name: str = "handler") -> None:
        self._slots = slots
        self._name = name
        self._idle: list[_Thread] = []
        self._busy: dict[asyncio.Future[End], _Thread] = {}
        self._running: dict[str, _Thread] = {}  # by the id of the task
        self._made = 0
        self._closed = False

    async def run(self, handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> Outcome:
        """Call the handler in a thread, with a copy of the caller's context variables.

        Middleware stays on the loop.
        """
        work = partial(called, handler, context, kwargs)
        call = partial(self._call, work, context.task)
        loop = asyncio.get_running_loop()
        if handler.middleware:
            running = eagerly(inside_middleware(handler, context, call), loop)
        else:
            running = call()
        return await outcome_of(running, context, handler, loop)

    def locate(self, task_id: str, frames: Frames, tell: Callable[[HandlerStack], None]) -> None:
        """Tell in which calls of user code the thread is; see `Executor.locate`."""
        thread = self._running.get(task_id)
        tell(NO_STACK if thread is None else stack_of_thread(frames.get(thread.ident)))

    def resize(self, slots: int) -> None:
        """Keep up to so many idle threads from now on."""
        self._slots = slots
        for thread in self._idle[slots:]:
            thread.end()
        del self._idle[slots:]

    def close(self) -> None:
        """End the idle threads, and each of the others as soon as its handler ends."""
        self._closed = True
        for thread in [*self._idle, *self._busy.values()]:
            thread.end()
        self._idle.clear()

    async def _call(self, work: Work, task: Task) -> object:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[End] = loop.create_future()
        thread = self._running[task.id] = self._idle.pop() if self._idle else self._new_thread()
        self._busy[ended] = thread
        note_end = unfinished.begin(task)

        def is_reported(end: End) -> bool:
            note_end()
            try:
                loop.call_soon_threadsafe(self._done, ended, end)
            except RuntimeError:
                if loop.is_closed():  # its consumer is gone
                    return False
                raise
            return True

        thread.do(partial(contextvars.copy_context().run, work), is_reported)
        try:
            value, error = await ended
        finally:
            self._running.pop(task.id, None)  # middleware may have called it twice
        if error is not None:
            raise error
        return value

    def _done(self, ended: asyncio.Future[End], end: End) -> None:
        thread = self._busy.pop(ended, None)
        if thread is None:  # it was reported before
            return
        if self._closed or len(self._idle) >= self._slots:
            thread.end()
        else:
            self._idle.append(thread)
        if not ended.cancelled():
            ended.set_result(end)

    def _new_thread(self) -> "_Thread":
        self._made += 1
        return _Thread(f"{self._name}-{self._made}")


class _Piece:
    """A piece of work for a thread, and how far it has come."""

    __slots__ = ("begun", "end", "is_reported", "work")

    def __init__(self, work: Work, is_reported: Callable[[End], bool]) -> None:
        self.work = work
        self.is_reported = is_reported  # reports an end; may be called again with the same
        self.begun = False
        self.end: End | None = None

    def end_after(self, late: BaseException | None) -> End:
        """Do the work, and return how it ended; `late` came last, if that has not been noted."""
        if self.begun and self.end is None:
            self.end = None, late
        if self.end is None:
            self.begun = True
            self.end = end_of(self.work)
        return self.end


class _Thread:
    """A daemon thread that does one piece of work after the other until it is told to end.

    Libraries that limit the time of a call raise an exception in its thread from outside
    (`PyThreadState_SetAsyncExc`). One that comes too late for its handler is dropped: it must cost
    neither the report nor the next piece of work.
    """

    def __init__(self, name: str) -> None:
        # A piece stays here until it is reported: what `get` has returned may be lost.
        self._pieces: deque[_Piece | None] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        thread = threading.Thread(target=self._live, name=name, daemon=True)
        thread.start()
        self.ident = thread.ident or 0  # it has started

    def do(self, work: Work, is_reported: Callable[[End], bool]) -> None:
        """Have work done, and its end reported; False from that ends the thread."""
        self._put(_Piece(work, is_reported))

    def end(self) -> None:
        self._put(None)

    def _put(self, piece: _Piece | None) -> None:
        self._pieces.append(piece)
        self._bell.put(None)

    def _live(self) -> None:
        late: BaseException | None = None
        while True:
            try:
                if not self._pieces:
                    late = None
                    self._bell.get()
                elif not self._has_done(self._pieces[0], late):
                    return
                else:
                    self._pieces.popleft()
            except BaseException as error:  # noqa: BLE001 - raised from outside
                late = error

    @staticmethod
    def _has_done(piece: _Piece | None, late: BaseException | None) -> bool:
        return piece is not None and piece.is_reported(piece.end_after(late))


def end_of(work: Work) -> End:
    """Call `work` and return how it ended, for a loop to judge."""
    begins_in = generation()
    try:
        try:
            return work(), None
        finally:
            end_if_forked(begins_in)
            asyncio._set_running_loop(None)  # noqa: SLF001 - else none could run here any more
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - carried to the loop, judged there
        return None, error
    except BaseException as cause:  # noqa: BLE001 - likewise: it would take the whole thread along
        crash = ConsumerCrash(cause)
        crash.__cause__ = cause
        return None, crash
