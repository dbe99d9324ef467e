"""The answers about tasks.

Payload, result and progress are not parsed here: their text goes from the row into the answer.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

import msgspec
from msgspec import Meta, Raw

from taskqueue.http.pages import fitting
from taskqueue.http.tasks.heads import PAYLOAD_HEAD, data_head
from taskqueue.rules.filters import Found
from taskqueue.rules.forecast import NextAttempt
from taskqueue.rules.limits import decoded
from taskqueue.rules.tasks import (
    Acceptance,
    Accepted,
    Attempt,
    Edit,
    NewTask,
    Status,
    Task,
    TaskHistory,
)
from taskqueue.rules.uniqueness import KeyState
from taskqueue.structs import Struct

TaskId: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]

_NOTHING: Mapping[str, str] = {}

LISTED_TASK = "ListedTask"
"""In a page: any of the fields of a `TaskView`. Described in `openapi`."""

_Listed: TypeAlias = Annotated[
    Sequence[Any],
    Meta(extra_json_schema={"items": {"$ref": f"#/components/schemas/{LISTED_TASK}"}}),
]


Repeat: TypeAlias = Literal["kept", "replaced", "postponed"]


class Receipt(Struct, omit_defaults=True):
    """A task that is queued, durably.

    `acceptance` is there if it is another task, that held the unique key: that one was kept as it
    is, replaced or postponed.
    """

    id: str
    status: Status
    acceptance: Repeat | None = None


class Receipts(Struct):
    """Several tasks that are queued, durably."""

    tasks: Sequence[Receipt]
    count: int


def receipt_of(task: NewTask, accepted: Accepted, *, now: float) -> Receipt:
    """Return the receipt of a task that is there."""
    ahead = task.run_at is not None and task.run_at > now
    first = Status.SCHEDULED if ahead else Status.QUEUED
    return Receipt(
        id=accepted.id,
        status=accepted.status or first,
        acceptance=_REPEATS.get(accepted.acceptance),
    )


_REPEATS: Mapping[Acceptance, Repeat] = {
    Acceptance.KEPT: "kept",
    Acceptance.REPLACED: "replaced",
    Acceptance.POSTPONED: "postponed",
}


def receipts_of(
    tasks: Sequence[NewTask], answers: Sequence[Accepted], *, now: float
) -> Sequence[Receipt]:
    """Return the receipts of several tasks that are there."""
    return [receipt_of(*pair, now=now) for pair in zip(tasks, answers, strict=True)]


class Cancellation(Struct):
    """A task that has ended, `cancelled`, or will when its handler has stopped, `cancelling`."""

    id: str
    status: Literal["cancelled", "cancelling"]


class TaskLimit(Struct):
    """A limit that a task counts towards, under a key of it or under none, and its cost there."""

    name: str
    key: str | None
    cost: float


class TaskView(Struct, omit_defaults=True):
    """A task as it is shown: what a reader looks for first, first.

    What few tasks have stands at the end, and is left out where it is missing. `payload_head`, in a
    list that asks for it, is what the text of its data begins with.
    """

    id: str
    payload: Raw
    status: Status
    result: Raw | None
    created_at: float
    processed_at: float | None
    action: str
    queue: str
    priority: int
    attempt: int
    max_attempts: int
    crashes: int
    deliveries: int
    run_at: float
    started_at: float | None
    reason: str | None
    unique_key: str | None = None
    progress: Raw | None = None
    cancel_reason: str | None = None
    traceparent: str | None = None
    limits: Sequence[TaskLimit] = ()
    expires_at: float | None = None
    group: str | None = None
    parent: TaskId | None = None
    schedule: str | None = None
    payload_head: str | None = None

    @classmethod
    def of(cls, task: Task, **more: Any) -> Self:
        """Return the view of `task`, with what a subclass has `more`."""
        fields: dict[str, Any] = msgspec.structs.asdict(task)
        fields["payload"] = Raw(task.payload)
        fields["result"] = None if task.result is None else Raw(task.result)
        fields["progress"] = None if task.progress is None else Raw(task.progress)
        fields["limits"] = tuple(TaskLimit(**use._asdict()) for use in decoded(task.limits))
        return cls(**fields, **more)


class TaskDetail(TaskView, kw_only=True):
    """A task with all that happened to it, oldest first.

    An edit tells what the changed fields were `before`; of a `payload` null, as it is not kept.
    `next_attempts` are those that follow a failed one, if each fails at once. `key` says among
    which tasks its unique key is unique, until when it holds the key, and whether that is over.
    `flow` names those with which it takes the turns of its queue; empty: those without `fair_by`.
    """

    attempts: Sequence[Attempt]
    edits: Sequence[Edit] = ()
    next_attempts: Sequence[NextAttempt] = ()
    waiting_for: str | None = None
    key: KeyState | None = None
    flow: str | None = None

    @classmethod
    def of_history(
        cls,
        history: TaskHistory,
        waiting_for: str | None,
        next_attempts: Sequence[NextAttempt],
    ) -> Self:
        """Return the view of a task and its attempts; `waiting_for` says why it does not run."""
        return cls.of(
            history.task,
            attempts=history.attempts,
            edits=history.edits,
            waiting_for=waiting_for,
            next_attempts=next_attempts,
            key=history.key,
            flow=history.flow,
        )


class Page(Struct, omit_defaults=True):
    """Some tasks, in order. `next` is the cursor of the page after this one, or None."""

    tasks: _Listed
    count: int
    next: str | None
    truncated: bool = False  # it ends before its limit, and `next` goes on

    @classmethod
    def of(
        cls,
        found: Found,
        limit: int,
        max_bytes: int,
        fields: Sequence[str] | None = None,
        heads: Mapping[str, str] = _NOTHING,
    ) -> Self:
        """Return the first `limit` tasks as a page; if there are more, so are pages.

        It has fewer, but one at least, if these exceed `max_bytes`; or if the search was cut. Of
        each task it shows `fields`, or all; `heads` are what payloads begin with, by id.
        """
        tasks = found.tasks
        count = min(limit, fitting((task.size for task in tasks), max_bytes))
        views = [
            TaskView.of(task, payload_head=data_head(task.action, heads.get(task.id)))
            for task in tasks[:count]
        ]
        is_cut = len(tasks) == count and found.looked_to is not None
        return cls(
            tasks=views if fields is None else [_only(fields, view) for view in views],
            count=count,
            next=tasks[count - 1].id if len(tasks) > count else found.looked_to,
            truncated=is_cut or count < min(limit, len(tasks)),
        )


def _only(fields: Sequence[str], view: TaskView) -> Mapping[str, object]:
    chosen = ((name, getattr(view, name)) for name in fields)
    return {name: value for name, value in chosen if value is not None or name not in _OPTIONAL}


_OPTIONAL = frozenset(
    {
        PAYLOAD_HEAD,
        "unique_key",
        "progress",
        "cancel_reason",
        "traceparent",
        "expires_at",
        "group",
        "parent",
        "schedule",
    }
)


class Stats(Struct, omit_defaults=True):
    """The number of tasks by status.

    The numbers of the statuses in `more_than` are where the counting stopped: there are more.
    """

    tasks: Mapping[Status, int]
    more_than: Sequence[Status] = ()
