"""The words about schedules that clients know, too: choices, outcomes, decisions.

They stand apart because a client need not load what reads cron expressions.
"""

from enum import StrEnum

from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct


class Missed(StrEnum):
    """Which slots run that came while nothing could run them."""

    LATEST = "latest"  # the last one
    ALL = "all"  # each, in their order
    SKIP = "skip"  # none, beyond a minute of grace


class Overlap(StrEnum):
    """What becomes of a slot while an earlier run of its schedule has not ended."""

    SKIP = "skip"  # it does not run
    QUEUE = "queue"  # it runs after the earlier ones
    ALLOW = "allow"  # it runs beside them
    CANCEL = "cancel"  # it runs, and they are cancelled


class Origin(StrEnum):
    """Where a schedule is declared. What code or a file declares wins at each start."""

    CODE = "code"
    FILE = "file"
    API = "api"


class SlotOutcome(StrEnum):
    """What was decided for a slot."""

    FIRED = "fired"  # its task was enqueued
    WAITING = "waiting"  # for the end of an earlier run
    SKIPPED = "skipped"
    MISSED = "missed"


class Decision(Struct):
    """What was decided for a slot, when and why; None for a slot that simply ran."""

    slot: float
    outcome: SlotOutcome
    at: float
    reason: str | None = None


class Slot(Struct):
    """What became of one slot, or of a run of slots that were missed, and the task that it made."""

    at: float
    outcome: SlotOutcome
    decided_at: float
    reason: str | None = None
    task_id: str | None = None
    status: Status | None = None  # of the task; None: there is none, or it is deleted
    slots: int = 1
    run_now: bool = False  # asked for, at an instant that is no slot
