"""The attempts of a consumer, and a view of the running ones for other threads."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from taskqueue.actors.consumer.attempt_handle import ConsumerAttemptHandle
from taskqueue.api.app import App
from taskqueue.api.handler import ExecutorKind
from taskqueue.errors import UnknownAction
from taskqueue.executors.lines import Frames
from taskqueue.executors.protocol import Executor
from taskqueue.rules.leases.values import Taken
from taskqueue.rules.logs import RunningLog
from taskqueue.rules.running import HandlerStack, RunningAttempt
from taskqueue.rules.tasks import Outcome


@dataclass(slots=True, eq=False)
class Attempt:
    """A delivery, from when it was taken until its outcome is written."""

    taken: Taken
    slot: asyncio.Task[None] | None = None  # which runs it; None before and after that
    handle: ConsumerAttemptHandle | None = None  # since its handler was to begin
    cancelled_as: Outcome | None = None  # its outcome, if it was cancelled

    def leave_slot(self) -> None:
        """Note that the handler has ended, and have its last progress written."""
        self.slot = None
        if self.handle is not None and self.handle.has_reported:
            self.handle.end_reports()

    def cancel(self, outcome: Outcome) -> None:
        """Cancel the handler, or prevent its start; the first outcome counts."""
        self.cancelled_as = self.cancelled_as or outcome
        if self.slot is not None:
            self.slot.cancel()


class Workplace:
    """The running attempts of a consumer, as other threads see them.

    A blocked or stopping consumer reads no messages. So this reads the dictionary that the consumer
    changes, by copying it in one step.
    """

    def __init__(
        self,
        consumer: str,
        app: App,
        attempts: dict[str, Attempt],
        executors: Mapping[ExecutorKind, Executor],
    ) -> None:
        """Look at the attempts of a consumer, by token, and at where they run."""
        self.consumer = consumer
        self._app = app
        self._attempts = attempts
        self._executors = executors

    def running(self) -> Iterator[RunningAttempt]:
        """Yield the running attempts, without their log lines."""
        for attempt in self._attempts.copy().values():
            executor = self._executor_of(attempt)
            handle = attempt.handle
            if executor is None or handle is None or attempt.slot is None:
                continue
            task = attempt.taken.delivery.task
            yield RunningAttempt(
                task_id=task.id,
                action=task.action,
                queue=task.queue,
                attempt=task.attempt,
                consumer=self.consumer,
                executor=str(executor),
                started_at=attempt.taken.at,
                progress=handle.latest,
            )

    def log(self, task_id: str) -> RunningLog | None:
        """Return the log of a task's running attempt; None if it is empty or none runs."""
        for attempt in self._attempts.copy().values():
            taken = attempt.taken
            is_running = attempt.handle is not None and attempt.slot is not None
            if is_running and taken.delivery.task.id == task_id and (text := taken.log.text()):
                number = taken.delivery.task.attempt
                return RunningLog(attempt=number, started_at=taken.at, log=text)
        return None

    def locate(
        self, attempt: RunningAttempt, frames: Frames, tell: Callable[[HandlerStack], None]
    ) -> None:
        """Call `tell` with the stack of an attempt; see `Executor.locate`."""
        executor = self._executors[ExecutorKind(attempt.executor)]
        executor.locate(attempt.task_id, frames, tell)

    def _executor_of(self, attempt: Attempt) -> ExecutorKind | None:
        try:
            return self._app.handler(attempt.taken.delivery.task.action).executor
        except UnknownAction:
            return None
