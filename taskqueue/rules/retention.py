"""How long tasks that have ended, the audit trail and the slots of schedules are kept, pure."""

from collections.abc import Iterator

from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct

DAY_S = 86_400.0


class Retention(Struct):
    """How long a task stays after its end, by how it ended, a change, and a slot; 0: for ever."""

    completed_s: float = 7 * DAY_S
    cancelled_s: float = 7 * DAY_S
    dead_s: float = 90 * DAY_S
    audit_s: float = 90 * DAY_S
    slots_s: float = 7 * DAY_S

    def limits(self, now: float) -> Iterator[tuple[Status, float]]:
        """Yield, for each end, the instant before which what ended so need not be kept.

        >>> list(Retention(completed_s=60, cancelled_s=0, dead_s=0).limits(now=100))
        [(<Status.COMPLETED: 'completed'>, 40)]
        """
        for status, kept_s in (
            (Status.COMPLETED, self.completed_s),
            (Status.CANCELLED, self.cancelled_s),
            (Status.DEAD, self.dead_s),
        ):
            if kept_s:
                yield status, now - kept_s

    def changes_before(self, now: float) -> float:
        """Return the instant before which changes need not be kept in the audit trail.

        >>> Retention(audit_s=60).changes_before(now=100), Retention(audit_s=0).changes_before(100)
        (40, 0.0)
        """
        return now - self.audit_s if self.audit_s else 0.0

    def slots_before(self, now: float) -> float:
        """Return the instant before which slots of schedules need not be kept.

        >>> Retention(slots_s=60).slots_before(now=100), Retention(slots_s=0).slots_before(now=100)
        (40, 0.0)
        """
        return now - self.slots_s if self.slots_s else 0.0
