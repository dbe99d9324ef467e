"""Which handlers of limited tasks still run, whatever became of their attempts. For all threads.

A thread cannot be stopped: its handler runs on when its task is cancelled or its consumer ends. The
task has to keep its slots until then, or more would run than its limits allow.
"""

import threading
from collections.abc import Callable

from taskqueue.rules.tasks import Task

Callback = Callable[[], object]


class UnfinishedHandlers:
    """Handlers by the id of their task, with who waits for their end."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: a finaliser may end a handler in here
        self._running: dict[str, set[object]] = {}  # a mark for each: there may be several
        self._waiting: dict[str, list[Callback]] = {}

    def begin(self, task: Task) -> Callback:
        """Note that a handler begins, if its task has limits; return what notes its end.

        That may be called on any thread, and again if an exception has cut it short.
        """
        if task.limits is None:
            return _nothing
        mark = object()
        with self._lock:
            self._running.setdefault(task.id, set()).add(mark)
        return lambda: self._end(task.id, mark)

    def includes(self, task: Task) -> bool:
        """Tell whether a handler of this task runs."""
        return task.id in self._running

    def when_ended(self, task: Task, then: Callback) -> None:
        """Call `then` once no handler of this task runs, on the thread of the last one.

        At once if none does. It may be called twice, and must not raise.
        """
        with self._lock:
            if task.id in self._running:
                self._waiting.setdefault(task.id, []).append(then)
                return
        then()

    def _end(self, task_id: str, mark: object) -> None:
        with self._lock:
            marks = self._running.get(task_id, set())
            marks.discard(mark)
            if marks:
                return
            self._running.pop(task_id, None)
            waiting = self._waiting.get(task_id, [])
            while waiting:
                waiting[0]()
                waiting.pop(0)  # not before: an exception may come from outside in between
            self._waiting.pop(task_id, None)


def _nothing() -> None:
    """Note nothing."""


unfinished = UnfinishedHandlers()
"""Those of this process. A consumer that has ended is not asked for its own."""
