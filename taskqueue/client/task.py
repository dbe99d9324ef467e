"""A task of a service, for programs with threads."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from taskqueue.client import calls, enqueueing
from taskqueue.client.attempt_views import AttemptLog, TaskStack
from taskqueue.client.event_stream import (
    ENDS,
    GAP,
    Block,
    ServiceEvent,
    end_of,
    event_of,
    path_of,
)
from taskqueue.client.routes import Route
from taskqueue.client.views import TaskInfo
from taskqueue.client.waiting import result_of, slices
from taskqueue.errors import WaitTimeout
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import Acceptance, Status


class ClientTask:
    """A task in the service, known by its `id`.

    Of one that `enqueue` has returned, `acceptance` is `kept`, `replaced` or `postponed` if it held
    the unique key before, and that is what became of it; else None.
    """

    def __init__(self, route: Route, task_id: str, acceptance: Acceptance | None = None) -> None:
        self._route = route
        self.id = task_id
        self.acceptance = acceptance

    def __repr__(self) -> str:
        """Return the id, marked as a task."""
        return f"<ClientTask {self.id}>"

    def info(self) -> TaskInfo:
        """Return all that the service knows about the task, with every attempt.

        Raises:
            TaskNotFound: there is no such task (any more).
        """
        return self._route.do(calls.get(self.id))

    def logs(self) -> Iterator[AttemptLog]:
        """Yield what the attempts have logged, the latest attempt first.

        Of each the last 100 lines are kept, of 16 KiB at most. Of one that runs these are the lines
        so far, over HTTP. Attempts that have logged nothing are left out.

        Raises:
            TaskNotFound: there is no such task (any more).
        """
        cursor: int | None = None
        while True:
            page = self._route.do(calls.logs(self.id, cursor))
            yield from page.attempts
            cursor = page.next
            if cursor is None:
                return

    def stack(self) -> TaskStack:
        """Return in which calls of your code the handler is now, as a traceback would show it.

        Answered within half a second, whatever the handler does.

        Raises:
            TaskNotFound: there is no such task (any more).
            CallRefused: it does not run.
        """
        return self._route.do(calls.stack(self.id))

    def status(self) -> Status:
        """Return the task's status."""
        return self.info().status

    def progress(self) -> Any:
        """Return what the handler reported last, or None."""
        return self.info().progress

    def wait(self, timeout_s: float | None = None) -> TaskInfo:
        """Return the task when it has ended, in whatever way. The service says so at once.

        Raises:
            WaitTimeout: it has not ended within `timeout_s` seconds.
            TaskNotFound: there is no such task (any more).
        """
        for wait_s in slices(timeout_s, time.monotonic):
            task = self._route.do(calls.get(self.id, wait_s=wait_s))
            if task.has_ended:
                return task
        raise WaitTimeout(self.id, timeout_s or 0.0)

    def events(self) -> Iterator[ServiceEvent]:
        """Yield what happens to the task from now on, until it has ended.

        The last event is always its end: `task_completed`, `task_dead_lettered` or
        `task_cancelled`. If it had ended before, that is the only one. What it does before the
        first step of the loop is not repeated.

        Raises:
            TaskNotFound: there is no such task (any more).
            ServiceUnavailable: the connection was lost, and there was none for `retry_s` seconds.
            CallRefused: this client writes through the file; events come from the service alone.
        """
        return self._until_end(self._route.follow(path_of({"task": self.id})))

    def _until_end(self, blocks: Iterator[Block]) -> Iterator[ServiceEvent]:
        for block in blocks:
            if block.name:
                yield event_of(block)
            if block.name in ENDS:
                return
            # Something may have been missed: before this connection, or in a crash.
            if block.name in {"", GAP} and (task := self.info()).has_ended:
                yield end_of(task)
                return

    def result(self, timeout_s: float | None = None) -> Any:
        """Return what the handler returned, when the task is completed.

        Raises:
            TaskNotCompleted: it is dead or cancelled.
            WaitTimeout: it has not ended within `timeout_s` seconds.
        """
        return result_of(self.wait(timeout_s))

    def cancel(self, reason: str | None = None) -> str:
        """Cancel the task; return `cancelled`, or `cancelling` while its handler stops.

        Raises:
            CallRefused: it has ended.
        """
        return self._route.do(calls.cancel(self.id, reason))

    def edit(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        priority: int | None = None,
        max_attempts: int | None = None,
        delay_s: float | None = None,
        run_at: float | None = None,
    ) -> TaskInfo:
        """Change the task while no consumer holds it; return it as it is then.

        What is None stays. The data is replaced as a whole, and checked against the handler.

        Args:
            data: the arguments of the handler, all of them.
            priority: 0 to 255; 0 is first.
            max_attempts: more than those that were made.
            delay_s: not before so many seconds from now.
            run_at: not before this instant, in seconds since 1970 (UTC).

        Raises:
            InvalidTask: the data or an option does not fit.
            CallRefused: a consumer holds it, or it has ended.
        """
        options = Options(
            priority=priority, max_attempts=max_attempts, delay_s=delay_s, run_at=run_at
        )
        return self._route.do(calls.edit(self.id, data, options))

    def run_now(self) -> str:
        """Make the task due now, if it is scheduled or waits for its next attempt.

        A paused queue stays paused.

        Raises:
            CallRefused: a consumer holds it, or it has ended.
        """
        return self._route.do(calls.run_now(self.id))

    def clone(self) -> "ClientTask":
        """Enqueue a new task with the same data and options, without the unique key; return it.

        Raises:
            InvalidTask: the service has no such action or queue any more, or refuses the data.
        """
        receipt = self._route.do(calls.clone(self.id, enqueueing.new_key()))
        return ClientTask(self._route, receipt.id)

    def redrive(self) -> str:
        """Queue the dead task again with all its attempts; return its status.

        Raises:
            CallRefused: it is not dead.
        """
        return self._route.do(calls.redrive(self.id))

    def delete(self) -> None:
        """Delete the task, which has ended, with its history.

        Raises:
            CallRefused: it has not ended.
        """
        self._route.do(calls.delete(self.id))
