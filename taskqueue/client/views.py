"""What the service answers about tasks and queues, as the client returns it."""

from collections.abc import Mapping, Sequence
from typing import Any

from taskqueue.rules.activity import Recent
from taskqueue.rules.forecast import NextAttempt
from taskqueue.rules.tasks import Acceptance, Attempt, Edit, Status
from taskqueue.rules.uniqueness import KeyState
from taskqueue.structs import Struct

ENDED = frozenset({Status.COMPLETED, Status.DEAD, Status.CANCELLED})


class TaskLimit(Struct):
    """A limit that a task counts towards, under a key of it or under none, and its cost there."""

    name: str
    key: str | None = None
    cost: float = 1.0


class TaskInfo(Struct):
    """One task, as it was when the service answered. Instants are seconds since 1970 (UTC)."""

    id: str
    action: str
    queue: str
    status: Status
    payload: Mapping[str, Any]
    result: Any
    created_at: float
    processed_at: float | None
    priority: int
    attempt: int
    max_attempts: int
    crashes: int
    deliveries: int
    run_at: float
    started_at: float | None
    reason: str | None
    unique_key: str | None = None
    progress: Any = None
    cancel_reason: str | None = None
    traceparent: str | None = None
    limits: Sequence[TaskLimit] = ()
    expires_at: float | None = None
    group: str | None = None
    parent: str | None = None
    """The task whose handler has enqueued it, with `ctx.enqueue`."""
    schedule: str | None = None
    """The schedule that has enqueued it."""
    attempts: Sequence[Attempt] = ()
    waiting_for: str | None = None
    edits: Sequence[Edit] = ()
    next_attempts: Sequence[NextAttempt] = ()
    key: KeyState | None = None
    flow: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the task is completed, dead or cancelled, and will not change any more."""
        return self.status in ENDED

    @property
    def data(self) -> Mapping[str, Any]:
        """The arguments that the task was enqueued with."""
        data: Mapping[str, Any] = self.payload.get("data", {})
        return data


class TaskPage(Struct):
    """A page of tasks, newest first; `next` continues after it."""

    tasks: Sequence[TaskInfo]
    next: str | None


class ThenInfo(Struct):
    """What follows the end of a group; `task_id` is None until the group has ended."""

    action: str
    queue: str
    accepted_at: float | None
    task_id: str | None


class GroupInfo(Struct):
    """One group, as it was when the service answered. Instants are seconds since 1970 (UTC)."""

    name: str
    tasks: Mapping[Status, int]
    """How many there are, by status; `scheduled` includes those that have come due."""
    total: int
    progress: float
    """Which part of them has ended, from 0 to 1."""
    closed: bool
    """Whether it takes no more tasks."""
    ended: bool
    """Whether it is closed and all of its tasks have ended."""
    created_at: float
    closed_at: float | None
    ended_at: float | None
    then: ThenInfo | None


class GroupPage(Struct):
    """A page of groups, newest first; `next` continues after it."""

    groups: Sequence[GroupInfo]
    next: int | None


class Progress(Struct):
    """How many tasks matched and were changed by one request; `next` goes on."""

    matched: int
    done: int
    next: str | None


class DeadGroup(Struct):
    """Dead tasks of one action that ended with the same error, whatever numbers are in it."""

    action: str
    error: str
    """As a filter, beside `action`, it means exactly these tasks."""
    tasks: int
    queues: Sequence[str]
    latest_at: float
    example_id: str
    example: str
    """The error of that task, as it was raised."""


class Counts(Struct):
    """How many tasks match, by status; of those in `more_than` there are more than that."""

    tasks: Mapping[Status, int]
    more_than: Sequence[Status] = ()


class HoldingLimit(Struct):
    """A limit that holds back tasks of a queue, and how many: up to a thousand are counted."""

    name: str
    running: int
    waiting: int


class QueueInfo(Struct):
    """One queue that the service serves."""

    queue: str
    paused: bool
    paused_at: float | None
    consumers: int
    oldest_runnable_s: float | None = None
    """How long the oldest task that could run has been waiting."""
    ageing_s: float | None = None
    """After each so many seconds a task counts as one of the next higher priority; None: never."""
    takes_turns: bool = False
    """Whether its tasks take turns: then it has flows."""
    tasks: Mapping[Status, int] = {}
    """How many have not ended, by status."""
    recent: Sequence[Recent] = ()
    """Its last 1, 5 and 15 minutes, as far as the service has counted them."""
    limits: Sequence[HoldingLimit] = ()
    """Those that hold back tasks of it."""


class FlowInfo(Struct):
    """A flow of a queue whose tasks take turns; that with the least next turn is next."""

    flow: str
    priority: int
    """Of these tasks; those of another one have turns of their own."""
    waiting: int
    """How many wait for their turns, up to a thousand."""
    next_turn: float
    served_turn: float
    """The turn that was served last in this priority, of whatever flow."""


class FlowPage(Struct):
    """A page of flows; `next` continues after it."""

    flows: Sequence[FlowInfo]
    next: str | None


class Allowed(Struct):
    """How much a limit allows for each of its keys; None is any number."""

    running: int | None
    starts: float | None
    per_s: float | None
    burst: float | None


class LimitInfo(Struct):
    """A limit as it stands, with what is used of it under all its keys."""

    name: str
    allows: Allowed
    declared: Allowed | None
    """What the app has declared; None if it declares no such limit."""
    changed_at: float | None
    """When it was changed at run time; None if what is declared holds."""
    running: int
    waiting: int
    """How many tasks wait for it, up to a thousand."""


class LimitKey(Struct):
    """One key of a limit, and when its rate allows the next start; None: it does now."""

    key: str | None
    running: int
    waiting: int
    opens_at: float | None


class LimitPage(Struct):
    """A limit with a page of its keys; `next` continues after it."""

    limit: LimitInfo
    keys: Sequence[LimitKey]
    next: str | None


class SettingInfo(Struct):
    """A setting of the service. Value and default are written as a flag or a variable takes them.

    `source` is `flag`, `variable`, `file`, `program` (it embeds the service) or `default`, and
    `given_as` what the source calls the setting.
    """

    name: str
    value: str
    default: str
    source: str
    given_as: str | None
    description: str


class Receipt(Struct):
    """The answer to one enqueue.

    `acceptance` is `kept`, `replaced` or `postponed` if that is what became of another task, which
    held the unique key; None if the task was accepted, by this request or the same one before.
    """

    id: str
    status: Status
    acceptance: Acceptance | None = None
