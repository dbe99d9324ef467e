"""Which handlers of limited tasks still run, whatever became of their attempts. For all threads.

It belongs to the process, so it outlives consumers and queue actors.

A thread cannot be stopped: its handler runs on when its task is cancelled or its consumer ends. The
task has to keep its slots until then, or more would run than its limits allow.
"""

import threading
from collections.abc import Callable
from typing import TypeAlias

from taskqueue.rules.leases.values import Finished
from taskqueue.rules.tasks import Task

Callback = Callable[[], object]
_Delivery: TypeAlias = tuple[str, int]


class UnfinishedHandlers:
    """Handlers by the delivery of their task, with who waits for their end."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Finished] = {}
        """By token, how attempts have ended whose handlers run on, until that is written."""
        self._lock = threading.RLock()  # reentrant: a finaliser may end a handler in here
        self._running: dict[_Delivery, set[object]] = {}  # a mark for each: there may be several
        self._waiting: dict[_Delivery, list[Callback]] = {}

    def begin(self, task: Task) -> Callback:
        """Note that a handler begins, if its task has limits; return what notes its end.

        That may be called on any thread, and again if an exception has cut it short.
        """
        if task.limits is None:
            return _nothing
        delivery, mark = _delivery(task), object()
        with self._lock:
            self._running.setdefault(delivery, set()).add(mark)
        return lambda: self._end(delivery, mark)

    def includes(self, task: Task) -> bool:
        """Tell whether a handler of this delivery of the task runs."""
        return _delivery(task) in self._running

    def when_ended(self, task: Task, then: Callback) -> None:
        """Call `then` once no handler of this delivery runs, on the thread of the last one.

        At once if none does. It may be called twice, and must not raise.
        """
        delivery = _delivery(task)
        with self._lock:
            if delivery in self._running:
                self._waiting.setdefault(delivery, []).append(then)
                return
        then()

    def _end(self, delivery: _Delivery, mark: object) -> None:
        with self._lock:
            marks = self._running.get(delivery, set())
            marks.discard(mark)
            if marks:
                return
            self._running.pop(delivery, None)
            waiting = self._waiting.get(delivery, [])
            while waiting:
                waiting[0]()
                waiting.pop(0)  # not before: an exception may come from outside in between
            self._waiting.pop(delivery, None)


def _delivery(task: Task) -> _Delivery:
    # Of an earlier one, a thread may run on that an earlier service of this process has left.
    return task.id, task.deliveries


def _nothing() -> None:
    """Do nothing: the end of a task without limits is not noted."""


unfinished = UnfinishedHandlers()
"""Those of this process. A consumer that has ended is not asked for its own."""
