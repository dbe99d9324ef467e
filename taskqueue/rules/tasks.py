"""The words about a task: what is stored, what happened, what is written.

    NewTask ──insert──▶ Task ──claim──▶ Delivery ──handler──▶ Outcome
                          ▲                                      │ policy.settlement
                          └───────────── settle ◀── Settlement ◀─┘

Instants end in `_at` (UTC epoch seconds), durations in `_s` (seconds). JSON is kept as text: it
travels from the request to the row without being taken apart.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from taskqueue.foreign import rendering
from taskqueue.rules.uniqueness import KeyRule, KeyState
from taskqueue.structs import Struct

DEFAULT_QUEUE = "default"
DEFAULT_MAX_ATTEMPTS = 5


class Status(StrEnum):
    """Where a task stands. The last three are ends: nothing that ended is claimed again."""

    QUEUED = "queued"  # ready
    SCHEDULED = "scheduled"  # its run_at lies ahead
    RUNNING = "running"
    RETRYING = "retrying"  # failed, waits for its next attempt
    COMPLETED = "completed"
    DEAD = "dead"  # dead-lettered
    CANCELLED = "cancelled"


ENDED = frozenset({Status.COMPLETED, Status.DEAD, Status.CANCELLED})


class Payload(Struct):
    """What `payload` holds: the action and its data, as the tutorial's message does."""

    action: str
    data: msgspec.Raw


class NewTask(Struct):
    """A task that is about to be accepted."""

    id: str  # UUIDv7
    action: str
    payload: str  # JSON text of a `Payload`
    queue: str = DEFAULT_QUEUE
    priority: int = 0  # 0 is first
    run_at: float | None = None  # None: at once
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    unique_key: str | None = None  # as it is stored: at most one task holds it
    fingerprint: str | None = None  # of what was asked for under that key
    traceparent: str | None = None  # W3C: the trace and the span that it comes from
    limits: str | None = None  # JSON text: what it counts towards, see `rules.limits`
    flow: str | None = None  # takes turns with the other flows of its queue, see `rules.turns`
    weight: float = 1.0  # of its flow: how many turns it gets for one of another
    key_rule: KeyRule | None = None  # None: its task holds the key until it is deleted
    expires_at: float | None = None  # it is cancelled if it has not started by then
    group: str | None = None  # the group whose member it is
    parent: str | None = None  # the task whose handler has enqueued it
    schedule: str | None = None  # the schedule that has enqueued it


def require_tasks(*tasks: object) -> None:
    """Raise unless all of these are prepared tasks.

    Raises:
        TypeError: one of them is something else.
    """
    for task in tasks:
        if type(task) is not NewTask:
            kind = rendering.type_name(task)
            raise TypeError(f"must be a task that an action has prepared, not of type {kind}")


class Acceptance(StrEnum):
    """The result of enqueueing one task."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # it was there already, by its id or its key: success, not an error
    CONFLICT = "conflict"  # its key belongs to a different request
    KEPT = "kept"  # likewise, and that is no error
    REPLACED = "replaced"  # the waiting task under its key has its payload, priority and run_at
    POSTPONED = "postponed"  # the waiting task under its key has its run_at
    REJECTED = "rejected"  # its key belongs to a task that must not be repeated or changed
    CLOSED = "closed"  # its group takes no more members


class Accepted(Struct):
    """The answer for one new task; `id` is of the task that is there now.

    Of a task that was kept, replaced or postponed, `status` is how it reads now.
    """

    id: str
    acceptance: Acceptance
    status: Status | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the task was not accepted, and not expected to be there already either."""
        return self.acceptance in {Acceptance.CONFLICT, Acceptance.REJECTED}


class Task(Struct):
    """A task as it is stored."""

    id: str
    action: str
    payload: str
    queue: str
    priority: int
    status: Status
    attempt: int  # attempts counted so far; counted at the claim, so a crash counts
    max_attempts: int
    crashes: int  # attempts that took their consumer or their process down
    deliveries: int  # claims, without those that a stop released before their start
    run_at: float
    created_at: float
    started_at: float | None  # when its latest attempt was started
    processed_at: float | None  # when it ended
    result: str | None  # JSON text
    reason: str | None  # why it is dead or cancelled, or what the last attempt failed with
    unique_key: str | None = None
    progress: str | None = None  # JSON text, as its latest attempt reported it
    cancel_reason: str | None = None  # why its cancellation was asked for while it was held
    traceparent: str | None = None  # W3C: the trace and the span that it comes from
    limits: str | None = None  # JSON text: what it counts towards, see `rules.limits`
    expires_at: float | None = None  # it is cancelled if it has not started by then
    group: str | None = None  # the group whose member it is
    parent: str | None = None  # the task whose handler has enqueued it
    schedule: str | None = None  # the schedule that has enqueued it

    @property
    def size(self) -> int:
        """How many bytes its payload, its result and its progress have."""
        return sum(map(_bytes_of, filter(None, (self.payload, self.result, self.progress))))


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Delivery(Struct):
    """One attempt at a task, under a lease: the holder of the token may settle it, once."""

    token: str
    task: Task  # as it is after the claim: `attempt` is the one being made
    expires_at: float  # the lease holds up to this instant and not after
    started: bool  # False while it waits in the buffer
    chained: bool = False  # it has no slot of its limits yet, see `Leases.claim`


class Unfinished(tuple[Delivery, ...]):
    """The deliveries of a claim that ended early: more may be ready, and the next claim goes on."""

    __slots__ = ()


class AttemptOutcome(StrEnum):
    """How one attempt went, as its history says it."""

    COMPLETED = "completed"
    FAILED = "failed"  # raised, or returned False
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"  # took its consumer or its process down
    REJECTED = "rejected"
    SNOOZED = "snoozed"  # attempt returned
    INTERRUPTED = "interrupted"  # cut by a stop; attempt returned
    CONFLICTED = "conflicted"  # its transaction had read what has changed since; attempt returned
    CANCELLED = "cancelled"


class Attempt(Struct):
    """One line of a task's history."""

    attempt: int
    outcome: AttemptOutcome
    error: str | None  # one line: the exception's type and text
    traceback: str | None
    started_at: float | None
    ended_at: float


class Edit(Struct):
    """One edit of a task: what the changed fields were before; None for `payload`.

    `who` made it: the name of a token, or `local`; None if that is not known.
    """

    at: float
    before: Mapping[str, int | float | None]
    who: str | None = None


class TaskHistory(Struct):
    """A task with all its attempts and its latest edits, oldest first.

    History is kept over a redrive.
    """

    task: Task
    attempts: tuple[Attempt, ...]
    edits: tuple[Edit, ...] = ()
    key: KeyState | None = None  # None: it has no unique key
    flow: str | None = None  # whose turns it takes; None: it takes none
    is_held: bool = False  # claimed: it runs, or waits in a buffer for a free slot


class Owner(Struct):
    """Who holds a lease: one life of the service on one node.

    All that an earlier life of the same node holds is known to be dead without a clock.
    """

    node: str
    incarnation: str


# --- a handler's transaction ---------------------------------------------------------------------

if TYPE_CHECKING:
    Scalar: TypeAlias = int | float | str | bytes | None
    """What a database holds in one place."""
else:
    Scalar = Any  # msgspec decodes text or bytes only where it may be anything

Row: TypeAlias = tuple[Scalar, ...]


class Statement(Struct):
    """One statement of SQL. `saw` is the digest of the rows that it answered at a dry run."""

    sql: str
    parameters: tuple[Scalar, ...] | dict[str, Scalar] = ()
    saw: str | None = None  # None: its rows were not read


class Rows(Struct):
    """What a statement answers: its rows, and a digest by which they are known again."""

    rows: tuple[Row, ...]
    digest: str


# --- outcomes: what happened; tagged, because they travel between processes ----------------------


class Succeeded(Struct, tag=True):
    """The handler returned; `result` is JSON text.

    `follow_ups` are accepted and `statements` applied with the ack.
    """

    result: str
    follow_ups: tuple[NewTask, ...] = ()
    statements: tuple[Statement, ...] = ()


class Failed(Struct, tag=True):
    """The handler raised, returned False, or asked for a retry in `retry_in_s`."""

    error: str
    traceback: str | None = None
    retry_in_s: float | None = None  # None: the usual backoff


class TimedOut(Struct, tag=True):
    """The handler ran past its limit and was cancelled, or its process killed."""

    after_s: float


class Snoozed(Struct, tag=True):
    """The handler asked to be called again in `delay_s`, without using the attempt."""

    delay_s: float


class Rejected(Struct, tag=True):
    """The handler (or we) found that trying again is pointless."""

    reason: str
    traceback: str | None = None


class Cancelled(Struct, tag=True):
    """The task shall not be done any more."""

    reason: str


class Crashed(Struct, tag=True):
    """The attempt took its consumer down, or died with the process it ran in."""

    error: str
    traceback: str | None = None


class Interrupted(Struct, tag=True):
    """Our stop cut the handler, or its holder died before it began: not the task's fault."""

    holder_died: bool = False  # such a delivery counts, lest a task kills each holder unseen


class Conflicted(Struct, tag=True):
    """The handler's transaction had read what has changed since, so nothing of it was written."""

    error: str


Outcome: TypeAlias = (
    Succeeded
    | Failed
    | TimedOut
    | Snoozed
    | Rejected
    | Cancelled
    | Crashed
    | Interrupted
    | Conflicted
)

# --- settlements: what is written; tagged as well ------------------------------------------------


class Complete(Struct, tag=True):
    """Ends `completed` with its result; follow-ups and statements commit with it."""

    result: str
    follow_ups: tuple[NewTask, ...] = ()
    statements: tuple[Statement, ...] = ()


class Requeue(Struct, tag=True):
    """Back to `retrying` until `run_at`; the attempt is used."""

    run_at: float
    outcome: AttemptOutcome
    error: str
    traceback: str | None = None


class Postpone(Struct, tag=True):
    """Back until `run_at` with the attempt returned: nothing has failed."""

    run_at: float
    outcome: AttemptOutcome = AttemptOutcome.SNOOZED
    error: str | None = None


class DeadLetter(Struct, tag=True):
    """Ends `dead` with a reason, to be redriven by a person."""

    reason: str
    outcome: AttemptOutcome
    error: str
    traceback: str | None = None


class Cancel(Struct, tag=True):
    """Ends `cancelled`."""

    reason: str


class Release(Struct, tag=True):
    """Back where it was, attempt returned: it never started, or our stop cut it."""

    delivery_counts: bool = False  # even if it was never started


Settlement: TypeAlias = Complete | Requeue | Postpone | DeadLetter | Cancel | Release


class SettleBy(Struct):
    """A settlement, and the token that proves the right to write it."""

    token: str
    settlement: Settlement
    started_at: float | None = None  # when the attempt began, if `start` has never noted it
    log: str | None = None  # what the attempt has logged, JSON text
    lease_end: float | None = None  # not if the lease ends later by now: its holder lives


class Settled(StrEnum):
    """What became of one settlement."""

    WRITTEN = "written"
    CANCELLED = "cancelled"  # written, and the task has ended instead of being done again
    REPEATED = "repeated"  # the same token had ended the same way before: success, not an error
    LEASE_LOST = "lease_lost"  # settled, rescued, extended or handed back by another


class NotApplied(Struct):
    """Nothing was written, because the handler's statements cannot be: the lease still holds.

    `outcome` is what that makes of the attempt: `failed`; `conflicted`, if a statement answered
    other rows than it had shown the handler; `crashed`, if the process that ran it died.
    """

    error: str
    outcome: AttemptOutcome = AttemptOutcome.FAILED


# --- cancellation --------------------------------------------------------------------------------


class CancelAnswer(StrEnum):
    """The result of a request to cancel a task."""

    CANCELLED = "cancelled"  # no consumer held it: it has ended
    REQUESTED = "requested"  # it is held: it ends when its holder settles it
    ENDED = "ended"  # it had ended before
    UNKNOWN = "unknown"  # there is no such task


class CancelResult(Struct):
    """The answer for one task; `token` is its holder's if it is held.

    Of a task that has ended by this, the action and the queue are known as well.
    """

    task_id: str
    answer: CancelAnswer
    token: str | None = None
    action: str | None = None
    queue: str | None = None
