"""What a client can ask for, as a service's file answers it in this process."""

from collections.abc import Sequence
from typing import Protocol, TypedDict

import msgspec

from taskqueue.client.attempt_views import LogsPage
from taskqueue.client.views import (
    GroupInfo,
    GroupPage,
    Progress,
    Receipt,
    TaskInfo,
    TaskPage,
)
from taskqueue.rules.tasks import Status
from taskqueue.rules.uniqueness import Until


class NewTaskBody(msgspec.Struct, omit_defaults=True):
    """A task in the body of `POST /tasks`."""

    action: str
    data: msgspec.Raw
    idempotency_key: str | None = None
    unique_key: str | None = None
    unique_by: Sequence[str] | None = None
    unique_scope: str | None = None
    unique_until: Until | None = None
    on_repeat: str | None = None
    latest_s: float | None = None
    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    run_at: float | None = None
    delay_s: float | None = None
    limits: str | None = None
    """What a prepared task counts towards, for a file; a service works that out itself."""
    flow: str | None = None
    """In which flow a prepared task takes turns, with its weight; likewise."""
    weight: float | None = None
    expires_s: float | None = None
    expires_at: float | None = None
    group: str | None = None


class Filters(TypedDict, total=False):
    """Which tasks are meant: those with all of this.

    Instants are seconds since 1970 (UTC); `text` is in the payload, or in the reason why a task
    failed; `parent` is the id of the task whose handler has enqueued it, `trace` that of a trace;
    `error` is that of dead tasks, or of a group of them.
    """

    status: Status | str | Sequence[Status | str] | None
    action: str | None
    queue: str | None
    created_after: float | None
    created_before: float | None
    ended_after: float | None
    ended_before: float | None
    min_age_s: float | None
    unique_key: str | None
    group: str | None
    parent: str | None
    trace: str | None
    error: str | None
    text: str | None


class Verbs(Protocol):
    """One method per request; they raise what the client raises."""

    def enqueue(self, bodies: Sequence[NewTaskBody]) -> Sequence[Receipt]:
        """Accept tasks in one transaction."""
        ...

    def get(self, task_id: str) -> TaskInfo:
        """Return a task with its attempts."""
        ...

    def logs(self, task_id: str, cursor: int | None) -> LogsPage:
        """Return a page of what the attempts at a task have logged."""
        ...

    def find(self, filters: Filters, *, sort: str | None, cursor: str | None) -> TaskPage:
        """Return a page of tasks."""
        ...

    def cancel(self, task_id: str, reason: str | None) -> str:
        """Cancel a task; return `cancelled` or `cancelling`."""
        ...

    def redrive(self, task_id: str) -> str:
        """Queue a dead task again; return its status."""
        ...

    def delete(self, task_id: str) -> None:
        """Delete a task that has ended."""
        ...

    def get_group(self, name: str) -> GroupInfo:
        """Return a group with its counts."""
        ...

    def find_groups(self, *, ended: bool | None, cursor: int | None) -> GroupPage:
        """Return a page of groups."""
        ...

    def close_group(
        self, name: str, then: NewTaskBody | None, bodies: Sequence[NewTaskBody]
    ) -> GroupInfo:
        """Accept tasks and close a group, in one transaction."""
        ...

    def change_group(
        self, verb: str, name: str, cursor: str | None, reason: str | None
    ) -> Progress:
        """Cancel or redrive some members of a group."""
        ...

    def pause(self, queue: str, *, paused: bool) -> None:
        """Pause or resume a queue."""
        ...
