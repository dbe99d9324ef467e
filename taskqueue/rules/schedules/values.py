"""The values about a schedule: what is declared, what is stored, what was decided for its slots."""

from collections.abc import Iterator
from enum import StrEnum

from taskqueue.errors import Fault
from taskqueue.rules.names import NAME_RULE, is_name
from taskqueue.rules.options import is_duration
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.words import Decision, Missed, Origin, Overlap, Slot
from taskqueue.rules.tasks import CancelResult, NewTask
from taskqueue.structs import Struct

SKIP_WITHIN_S = 60.0
"""How late a slot may be that `missed="skip"` still runs."""


class Plan(Struct):
    """What a schedule is to do, and when. `data` is JSON; `{slot}` in it is the slot's instant."""

    action: str
    timing: Timing
    data: str = "{}"
    missed: Missed = Missed.LATEST
    within_s: float | None = None  # a slot that is later does not run; None: see `late_s`
    overlap: Overlap = Overlap.SKIP

    @property
    def late_s(self) -> float:
        """How late a slot may run, in seconds."""
        if self.within_s is not None:
            return self.within_s
        return SKIP_WITHIN_S if self.missed is Missed.SKIP else float("inf")

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong; the data is its action's to check."""
        if not is_name(self.action):
            yield Fault("action", NAME_RULE)
        yield from self.timing.faults()
        if self.within_s is not None and not is_duration(self.within_s):
            yield Fault("within_s", "must be a number of seconds, above 0 and up to 100 years")


class Declared(Struct):
    """A schedule as code or a file declares it."""

    name: str
    plan: Plan
    origin: Origin

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong; the data is its action's to check."""
        if not is_name(self.name):
            yield Fault("name", NAME_RULE)
        yield from self.plan.faults()


class Schedule(Struct):
    """A schedule as it is stored."""

    name: str
    plan: Plan
    origin: Origin
    active_from: float  # no slot up to this instant runs: creation, change of timing, resume
    decided_to: float  # the last slot of which something was decided
    created_at: float
    changed_at: float
    version: int = 1  # grows with each change of what it does, and when
    is_declared: bool = True  # False: the code or the file no longer names it, so it is paused
    paused_at: float | None = None  # by an operator
    pause_reason: str | None = None
    fired: int = 0
    skipped: int = 0
    missed: int = 0
    last: Decision | None = None
    waiting_from: float | None = None  # the first slot that waits for the end of an earlier run

    @property
    def is_active(self) -> bool:
        """Whether its slots run."""
        return self.is_declared and self.paused_at is None

    @property
    def paused_because(self) -> str | None:
        """Why its slots do not run, as a sentence; None if they do."""
        if not self.is_declared:
            where = "code" if self.origin is Origin.CODE else "settings file"
            return f"the {where} no longer names it"
        if self.paused_at is None:
            return None
        return self.pause_reason or "an operator has paused it"


class ScheduleHistory(Struct):
    """A schedule, with its latest slots, latest first."""

    schedule: Schedule
    slots: tuple[Slot, ...]


class Firing(Struct):
    """A slot that is due, and what it is to do."""

    schedule: str
    version: int  # of the schedule that this was made from
    slot: float
    task: NewTask | None  # None: it cannot be made, and `refusal` says why
    refusal: str | None = None
    run_now: bool = False  # an operator asks for it: paused or not, beside any earlier run


class Passed(Struct):
    """Slots that were missed: how many at least, the first and the last, and why."""

    schedule: str
    version: int
    slots: int
    first: float
    last: float
    reason: str


class FireAnswer(StrEnum):
    """The result of firing a slot."""

    DECIDED = "decided"
    REPEATED = "repeated"  # it was decided before: success, not an error
    STALE = "stale"  # the schedule is paused, deleted, or not what it was made from


class Fired(Struct):
    """The answer for one slot; `decision` is what was decided now."""

    answer: FireAnswer
    decision: Decision | None = None
    task_id: str | None = None  # of the task that runs for it
    is_new: bool = False  # whether that is the task of the firing
    cancelled: tuple[CancelResult, ...] = ()
