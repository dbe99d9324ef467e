"""Applies commits of others to this queue actor: logs and counts them, and wakes the fetcher."""

from collections.abc import Sequence

from taskqueue.actors import task_log
from taskqueue.actors.queue.accepted_tasks import AcceptedTasks
from taskqueue.actors.queue.fetch_schedule import FetchSchedule
from taskqueue.actors.queue.lease_driver import LeaseDriver
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.measures import TaskMeasures
from taskqueue.rules.tasks import Acceptance, Accepted, CancelResult, NewTask


class Uptake:
    """Applies what others have committed: another actor, or another process."""

    def __init__(
        self,
        driver: LeaseDriver,
        schedule: FetchSchedule,
        accepted: AcceptedTasks,
        measures: TaskMeasures,
    ) -> None:
        self._driver = driver
        self._schedule = schedule
        self._accepted = accepted
        self._measures = measures

    def inserted(self, tasks: Sequence[NewTask]) -> None:
        """Expect new tasks, to be claimed when they are due."""
        self.answered(
            tasks, [Accepted(id=task.id, acceptance=Acceptance.ACCEPTED) for task in tasks]
        )

    def answered(self, tasks: Sequence[NewTask], answers: Sequence[Accepted]) -> None:
        """Expect those of these tasks that were accepted, to be claimed when they are due."""
        self._accepted.note(tasks, answers)
        for queue in {task.queue for task in tasks}:
            self._schedule.expect_work(queue)

    def cancelled(self, result: CancelResult, reason: str) -> None:
        """Cancel the handler, if it runs."""
        task_log.cancel_asked(result, reason)
        if result.queue is not None and result.action is not None:
            self._measures.cancelled(result.queue, result.action)
        if result.token is not None:
            self._driver.feed(Leases.cancel, result.token, reason)
