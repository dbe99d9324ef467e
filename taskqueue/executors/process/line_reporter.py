"""The thread of a worker that reports the stack of its handler, whatever that does meanwhile."""

import _signal  # type: ignore[import-not-found]  # not `signal`: see `signals`
import _thread
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from taskqueue.children.messages import framed
from taskqueue.executors.lines import stack_of_thread
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.process.messages import Located
from taskqueue.process.forks import close_in_children
from taskqueue.rules.running import NO_STACK, HandlerStack


class LineReporter:
    """Answers on its socket for the thread that made it, until the process ends."""

    def __init__(
        self, end: socket.socket, task_id: Callable[[], str | None], loop: LoopExecutor
    ) -> None:
        """Begin; without a thread, if the system has none left, no question is answered.

        Args:
            end: the worker's end, on which the fork server asks.
            task_id: returns the task whose handler runs now.
            loop: runs those handlers that are `async def`.
        """
        self._end = close_in_children(end)
        self._task_id = task_id
        self._loop = loop
        self._process = os.getpid()
        self._watched = _thread.get_ident()
        # The thread inherits the mask. Without it, the system might choose this thread to interrupt
        # for a signal of the handler's, from its first moment on.
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        try:
            with suppress(RuntimeError):
                # Not `threading`: a handler may join all threads that it finds there.
                _thread.start_new_thread(self._answer, ())
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)

    def _answer(self) -> None:
        with suppress(OSError):  # the server has gone, or a handler has closed what is not its own
            while self._end.recv(1):
                # Without a task as well: the next question is asked after this answer only.
                task_id = self._task_id()
                stack = NO_STACK if task_id is None else self._stack(task_id)
                located = Located(pid=self._process, task_id=task_id, stack=stack)
                self._end.send(framed(located))

    def _stack(self, task_id: str) -> HandlerStack:
        frames = sys._current_frames()  # noqa: SLF001 - there is no other way to see another thread
        found: list[HandlerStack] = []
        self._loop.locate(task_id, frames, found.append)
        return found[0] if found[0].calls else stack_of_thread(frames.get(self._watched))
