"""The filters of tasks in a query: the same for a list, and for what is done to all that match."""

import re
from collections.abc import Collection
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from taskqueue.http.queries import Parameter, Parameters
from taskqueue.http.tasks.ids import task_id_of
from taskqueue.http.tasks.requests import Instant, Seconds, instant_of
from taskqueue.rules.filters import TaskFilter
from taskqueue.rules.names import KEY_SCHEMA, MAX_KEY, MAX_NAME, NAME_SCHEMA, is_key, is_name
from taskqueue.rules.options import MAX_DELAY_S, YEAR_10000_AT
from taskqueue.rules.summaries import error_pattern
from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct

MAX_TEXT = 1_000  # characters that are searched for


class FilterRequest(Struct):
    """Which tasks are meant: those with all of this."""

    status: tuple[Status, ...] = ()
    action: str | None = None
    queue: str | None = None
    created_after: float | None = None
    created_before: float | None = None
    ended_after: float | None = None
    ended_before: float | None = None
    min_age_s: float | None = None
    unique_key: str | None = None
    group: str | None = None
    parent: str | None = None
    trace: str | None = None
    error: str | None = None
    text: str | None = None

    def wanted(self, now: float) -> TaskFilter:
        """Return the filter; an age counts back from `now`."""
        created_before = self.created_before
        if self.min_age_s is not None:
            aged = now - self.min_age_s
            created_before = aged if created_before is None else min(aged, created_before)
        return TaskFilter(
            statuses=self.status,
            action=self.action,
            queue=self.queue,
            created_after=self.created_after,
            created_before=created_before,
            ended_after=self.ended_after,
            ended_before=self.ended_before,
            unique_key=self.unique_key,
            group=self.group,
            parent=self.parent,
            trace=self.trace,
            error=self.error,
            text=self.text,
        )


_TRACE = re.compile("[0-9a-f]{32}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def number_of(text: str) -> float | None:
    """Return a number of JSON, None if the text is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def statuses(allowed: Collection[Status]) -> Parameter:
    """Return a parameter that is some of the statuses, separated by commas."""

    def read(text: str) -> tuple[Status, ...] | None:
        names = tuple(dict.fromkeys(text.split(",")))
        return tuple(map(Status, names)) if {*names} <= {*allowed} else None

    one = Annotated[str, Meta(extra_json_schema={"enum": [*allowed]})]
    words = f"some of {', '.join(allowed)}, separated by commas"
    return Parameter(read, words, Annotated[list[one], Meta(min_length=1)])


def _error_of(text: str) -> str | None:
    return error_pattern(text) if 1 <= len(text) <= MAX_TEXT else None


def _name_of(text: str) -> str | None:
    return text if is_name(text) else None


def _key_of(text: str) -> str | None:
    return text if is_key(text) else None


def _text_of(text: str) -> str | None:
    return text if 1 <= len(text) <= MAX_TEXT else None


def _trace_of(text: str) -> str | None:
    return text if _TRACE.fullmatch(text) else None


def _age_of(text: str) -> float | None:
    age_s = number_of(text)
    return age_s if age_s is not None and 0 <= age_s < MAX_DELAY_S else None


def _instant_of(text: str) -> float | None:
    at = number_of(text)
    if at is None:
        try:
            at = instant_of(msgspec.convert(text, Instant))
        except msgspec.ValidationError:
            return None
    return at if at is not None and 0 <= at < YEAR_10000_AT else None


_NAME = Parameter(
    _name_of,
    f"a name of 1 to {MAX_NAME} printable characters",
    Annotated[str, Meta(extra_json_schema=NAME_SCHEMA)],
)
_INSTANT = Parameter(
    _instant_of, "seconds since 1970 (UTC), or ISO 8601 with a time zone", Seconds | Instant
)
STATUS = statuses(tuple(Status))
FILTERS: Parameters = {
    "status": STATUS,
    "action": _NAME,
    "queue": _NAME,
    "created_after": _INSTANT,
    "created_before": _INSTANT,
    "ended_after": _INSTANT,
    "ended_before": _INSTANT,
    "min_age_s": Parameter(
        _age_of,
        "a number of seconds, from 0 to 100 years",
        Annotated[float, Meta(ge=0, lt=MAX_DELAY_S)],
    ),
    "unique_key": Parameter(
        _key_of,
        f"a key of 1 to {MAX_KEY} printable characters",
        Annotated[str, Meta(extra_json_schema=KEY_SCHEMA)],
    ),
    "group": _NAME,
    "parent": Parameter(task_id_of, "the id of a task", UUID),
    "trace": Parameter(
        _trace_of,
        "the id of a trace, 32 hexadecimal digits in lower case",
        Annotated[str, Meta(extra_json_schema={"pattern": f"^{_TRACE.pattern}$"})],
    ),
    "error": Parameter(
        _error_of,
        f"the error of a dead task, or of a group of them, 1 to {MAX_TEXT} characters",
        Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)],
    ),
    "text": Parameter(
        _text_of,
        f"a text of 1 to {MAX_TEXT} characters",
        Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)],
    ),
}
