"""Publishes and counts the tasks that were committed."""

from collections.abc import Sequence

from taskqueue.actors import task_log
from taskqueue.clock import Clock
from taskqueue.rules.activity import Activity
from taskqueue.rules.measures import TaskMeasures
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask

_ACCEPTED = Acceptance.ACCEPTED


class AcceptedTasks:
    """Logs new tasks, and counts them in the measures and the activity."""

    def __init__(self, measures: TaskMeasures, activity: Activity, clock: Clock) -> None:
        self._measures = measures
        self._activity = activity
        self._clock = clock

    def note(self, tasks: Sequence[NewTask], answers: Sequence[Accepted]) -> None:
        """Log and count those of the requested tasks that are new."""
        task_log.enqueued(tasks, answers)
        self._measures.enqueued(tasks, answers)
        new = sum(answer.acceptance is _ACCEPTED for answer in answers)
        self._activity.service.enqueued(new, self._clock.monotonic())
