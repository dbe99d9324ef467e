"""A task in memory with all that belongs to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from taskqueue.rules import turns
from taskqueue.rules.logs import LoggedAttempt
from taskqueue.rules.tasks import Attempt, Delivery, Edit, NewTask, Owner, Settlement, Status, Task
from taskqueue.rules.uniqueness import KeyRule, shown_key


@dataclass(kw_only=True)
class Lease:
    """The owner of a delivery, and how long it has it."""

    token: str
    owner: Owner
    claimed_at: float
    expires_at: float
    waited_as: Status  # what a release restores
    started: bool = False
    chained: bool = False  # it waits for slots of its limits


@dataclass(kw_only=True)
class Row:
    """A task, its lease and its history."""

    task: Task
    fingerprint: str | None = None
    key: str | None = None  # with its scope
    key_rule: KeyRule | None = None
    key_is_free: bool = False  # another task has taken it over
    lease: Lease | None = None
    flow: str | None = None
    weight: float = 1.0
    turn: float | None = turns.NONE  # None: it gets one when it is due
    settled: tuple[str, type[Settlement]] | None = None  # the latest: token, kind
    attempts: list[Attempt] = field(default_factory=list)
    logs: list[LoggedAttempt] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)

    @property
    def awaits_turn(self) -> bool:
        """Whether it gets its turn when it is due."""
        return self.turn is None or (self.turn == turns.AGAIN and self.flow is not None)

    @property
    def place(self) -> tuple[int, float, float, str]:
        """Its place in the order of a claim."""
        return self.task.priority, self.turn or 0.0, self.task.run_at, self.task.id

    def reads(self, now: float) -> Task:
        """Return the task as it reads at `now`: queued once it is due."""
        if self.task.status is Status.SCHEDULED and self.task.run_at <= now:
            return replace(self.task, status=Status.QUEUED)
        return self.task

    def delivery(self, lease: Lease) -> Delivery:
        """Return the delivery that `lease` stands for."""
        return Delivery(
            token=lease.token,
            task=self.reads(lease.claimed_at),
            expires_at=lease.expires_at,
            started=lease.started,
            chained=lease.chained,
        )


def accepted(task: NewTask, *, now: float) -> Task:
    """Return a new task as it is accepted at `now`."""
    run_at = now if task.run_at is None else task.run_at
    return Task(
        id=task.id,
        action=task.action,
        payload=task.payload,
        queue=task.queue,
        priority=task.priority,
        status=Status.SCHEDULED if run_at > now else Status.QUEUED,
        attempt=0,
        max_attempts=task.max_attempts,
        crashes=0,
        deliveries=0,
        run_at=run_at,
        created_at=now,
        started_at=None,
        processed_at=None,
        result=None,
        reason=None,
        unique_key=task.unique_key and shown_key(task.unique_key),
        traceparent=task.traceparent,
        limits=task.limits,
        expires_at=task.expires_at,
        group=task.group,
        parent=task.parent,
        schedule=task.schedule,
    )


def new_row(task: NewTask, *, now: float) -> Row:
    """Return the row of a new task that is accepted at `now`."""
    return Row(
        task=accepted(task, now=now),
        fingerprint=task.fingerprint,
        key=task.unique_key,
        key_rule=task.key_rule,
        flow=task.flow,
        weight=task.weight,
        turn=turns.NONE if task.flow is None else None,
    )


def deliveries(leased: Iterable[tuple[Row, Lease]]) -> tuple[Delivery, ...]:
    """Return what is held, oldest claim first, then in the order of a claim."""

    def oldest_claim(held: tuple[Row, Lease]) -> tuple[float, tuple[int, float, float, str]]:
        row, lease = held
        return lease.claimed_at, row.place

    return tuple(row.delivery(lease) for row, lease in sorted(leased, key=oldest_claim))
