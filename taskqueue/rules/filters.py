"""Which tasks are meant: a filter over what a task has. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from taskqueue.rules.summaries import error_pattern
from taskqueue.rules.tasks import Status, Task
from taskqueue.rules.traces import trace_of
from taskqueue.structs import Struct

MAX_ROWS = 10_000  # that one page looks at
MAX_TEXT = 16 << 20  # characters of payloads that one page looks through


class Sort(StrEnum):
    """The order of tasks: that of their ids, which begin with when they were made."""

    NEWEST = "newest"
    OLDEST = "oldest"


class TaskFilter(Struct):
    """Tasks with all of this; None, or no statuses, for any."""

    statuses: tuple[Status, ...] = ()  # one of these
    action: str | None = None
    queue: str | None = None
    created_after: float | None = None  # at that instant, or after it
    created_before: float | None = None
    ended_after: float | None = None  # likewise
    ended_before: float | None = None
    unique_key: str | None = None
    group: str | None = None
    parent: str | None = None  # the id of the task whose handler has enqueued it
    trace: str | None = None  # the id of a trace, 32 digits
    error: str | None = None  # the `error_pattern` of a dead task's reason
    text: str | None = None  # in the payload, or in the reason

    def matches(self, task: Task) -> bool:
        """Tell whether a task, as it reads now, is meant."""
        return (
            (not self.statuses or task.status in self.statuses)
            and self.action in {None, task.action}
            and self.queue in {None, task.queue}
            and self.unique_key in {None, task.unique_key}
            and self.group in {None, task.group}
            and self.parent in {None, task.parent}
            and (self.trace is None or self.trace == trace_of(task.traceparent))
            and _is_within(task.created_at, self.created_after, self.created_before)
            and _is_within(task.processed_at, self.ended_after, self.ended_before)
            and (self.error is None or self.error == _error_of(task))
            and (self.text is None or self.text in task.payload or self.text in (task.reason or ""))
        )

    def conditions(self) -> Mapping[str, float | str]:
        """Return, by name, what no index answers: it has to be looked up in each row.

        Members of a group are found in an index of their own, which knows no action and no queue;
        so are the children of a task, in one that knows nothing else. The one of errors knows them
        by action.
        """
        named = {name: getattr(self, name) for name in self._looked_up()}
        return {name: value for name, value in named.items() if value is not None}

    def _looked_up(self) -> tuple[str, ...]:
        if self.parent is not None:
            return (*_LOOKED_UP, "action", "queue", "group", "error", "any_status")
        if self.group is not None:
            return (*_LOOKED_UP, "action", "queue", "error")
        return (*_LOOKED_UP, "error") if self.action is None else _LOOKED_UP

    @property
    def any_status(self) -> str | None:
        """The statuses as one text, each between commas; None for any."""
        return f",{','.join(self.statuses)}," if self.statuses else None

    def indexed(self) -> "TaskFilter":
        """Return the filter for what an index answers."""
        looked_up: dict[str, Any] = dict.fromkeys(self.conditions())
        if looked_up.pop("any_status", self) is None:
            looked_up["statuses"] = ()
        return msgspec.structs.replace(self, **looked_up)


_LOOKED_UP: tuple[str, ...] = (
    "created_after",
    "created_before",
    "ended_after",
    "ended_before",
    "trace",
    "text",
)


class Found(Struct):
    """Tasks that match. `looked_to` is where to go on if the search was cut, None if it was not."""

    tasks: tuple[Task, ...]
    looked_to: str | None = None


def _error_of(task: Task) -> str | None:
    return error_pattern(task.reason) if task.status is Status.DEAD else None


def _is_within(at: float | None, after: float | None, before: float | None) -> bool:
    if at is None:
        return after is None and before is None
    return (after is None or at >= after) and (before is None or at < before)
