"""The body of a request for a task, or for several.

A task's data is not parsed here: its bytes go from the request into the row.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Raw, field

from taskqueue.errors import Fault, Faults
from taskqueue.http.bodies import parsed
from taskqueue.http.problems import Problem
from taskqueue.rules.names import KEY_RULE, KEY_SCHEMA, NAME_RULE, NAME_SCHEMA
from taskqueue.rules.options import (
    LAST_AT,
    MAX_ATTEMPTS,
    MAX_DELAY_S,
    MAX_PRIORITY,
    MAX_UNIQUE_BY,
    YEAR_10000_AT,
    Options,
)
from taskqueue.rules.uniqueness import (
    KeyEnd,
    OnRepeat,
    OnRepeatName,
    Scope,
    ScopeName,
    UntilName,
)
from taskqueue.structs import Struct

MAX_TASKS = 10_000  # in one request

Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]

# Described only: the app checks them, and names every fault.
Data: TypeAlias = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
Seconds: TypeAlias = Annotated[
    float, Meta(extra_json_schema={"minimum": 0, "exclusiveMaximum": YEAR_10000_AT})
]
Delay: TypeAlias = Annotated[
    float, Meta(extra_json_schema={"minimum": 0, "exclusiveMaximum": MAX_DELAY_S})
]
Priority: TypeAlias = Annotated[
    int, Meta(extra_json_schema={"minimum": 0, "maximum": MAX_PRIORITY})
]
Attempts: TypeAlias = Annotated[
    int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_ATTEMPTS})
]
Duration: TypeAlias = Annotated[
    float, Meta(extra_json_schema={"exclusiveMinimum": 0, "exclusiveMaximum": MAX_DELAY_S})
]
Names: TypeAlias = Annotated[
    list[str], Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_UNIQUE_BY})
]
_Action: TypeAlias = Annotated[str, Meta(min_length=1, extra_json_schema=NAME_SCHEMA)]
_Name: TypeAlias = Annotated[str, Meta(extra_json_schema=NAME_SCHEMA)]
_Key: TypeAlias = Annotated[str, Meta(extra_json_schema=KEY_SCHEMA)]

_NO_DATA = Raw(b"{}")
_LARGE = 1 << 16  # bytes


class TaskRequest(Struct, forbid_unknown_fields=True):
    """A task to queue."""

    action: _Action
    data: Data = field(default_factory=lambda: _NO_DATA)
    delay_s: Delay | None = None
    run_at: Seconds | Instant | None = None
    priority: Priority | None = None
    max_attempts: Attempts | None = None
    queue: _Name | None = None
    unique_key: _Key | None = None
    unique_by: Names | None = None
    unique_scope: ScopeName | None = None
    unique_until: UntilName | Duration | None = None
    on_repeat: OnRepeatName | None = None
    latest_s: Duration | None = None
    expires_s: Duration | None = None
    expires_at: Seconds | Instant | None = None
    idempotency_key: _Key | None = None
    group: _Name | None = None

    def options(self) -> Options:
        """Return the choices that were made beside action and data."""
        return Options(
            queue=self.queue,
            priority=self.priority,
            max_attempts=self.max_attempts,
            delay_s=self.delay_s,
            run_at=instant_of(self.run_at),
            unique_key=self.unique_key,
            unique_by=self.unique_by,
            unique_scope=self.unique_scope,
            unique_until=self.unique_until,
            on_repeat=self.on_repeat,
            latest_s=self.latest_s,
            expires_s=self.expires_s,
            expires_at=instant_of(self.expires_at),
            group=self.group,
        )


ONE_TIME: Mapping[str, Any] = {
    "anyOf": [
        {"properties": {"delay_s": {"type": "null"}}},
        {"properties": {"run_at": {"type": "null"}}},
    ]
}
"""In JSON Schema, that one of the two is given at most."""


ONE_EACH: Mapping[str, Any] = {
    "allOf": [
        {"anyOf": [{"properties": {name: {"type": "null"}}} for name in pair]}
        for pair in (("unique_by", "unique_key"), ("expires_s", "expires_at"))
    ]
}
"""Likewise."""


def instant_of(at: float | datetime | None) -> float | None:
    """Return an instant in seconds since 1970 (UTC), however it was written.

    A date before 1970, or one that is in the year 10000 in UTC, is the nearest instant in between.
    """
    return min(max(0.0, at.timestamp()), LAST_AT) if isinstance(at, datetime) else at


_KEYS = ("unique_key", "idempotency_key")
ALL_OR_NONE = {
    "anyOf": [
        {
            "items": {
                "anyOf": [
                    {"required": [key], "properties": {key: {"type": "string"}}} for key in _KEYS
                ]
            }
        },
        {"items": {"properties": {key: {"type": "null"} for key in _KEYS}}},
    ]
}
TaskList: TypeAlias = Annotated[
    list[TaskRequest],
    Meta(min_length=1, max_length=MAX_TASKS, extra_json_schema=ALL_OR_NONE),
]

OPTIONS = {
    "delay_s": "must be a number of seconds",
    "run_at": "must be seconds since 1970 (UTC), or ISO 8601 with a time zone",
    "priority": "must be a whole number",
    "max_attempts": "must be a whole number",
    "queue": "must be a name",
    "unique_key": KEY_RULE,
    "unique_by": "must be a list of names",
    "unique_scope": f"must be one of {', '.join(Scope)}",
    "unique_until": f"must be one of {', '.join(KeyEnd)}, or a number of seconds",
    "on_repeat": f"must be one of {', '.join(OnRepeat)}",
    "latest_s": "must be a number of seconds",
    "expires_s": "must be a number of seconds",
    "expires_at": "must be seconds since 1970 (UTC), or ISO 8601 with a time zone",
    "idempotency_key": KEY_RULE,
    "group": NAME_RULE,
}
_UNKNOWN = f"unknown; beside action and data: {', '.join(OPTIONS)}"
_TYPES = {field.name: field.type for field in msgspec.structs.fields(TaskRequest)}

_tasks: msgspec.json.Decoder[TaskRequest | list[TaskRequest]] = msgspec.json.Decoder(
    TaskRequest | list[TaskRequest]
)
_any = msgspec.json.Decoder(Raw)
_list = msgspec.json.Decoder(list[Raw])
_objects = msgspec.json.Decoder(list[dict[str, Raw]])
_object = msgspec.json.Decoder(dict[str, Raw])
_action: msgspec.json.Decoder[str] = msgspec.json.Decoder(_Action)


class NoAction(Exception):
    """The action is missing, or is no name."""


def read_tasks(body: bytes) -> TaskRequest | Sequence[TaskRequest] | None:
    """Return the task of a body, or several if it is an array; None if it does not fit.

    What does not fit may still be accepted, or its faults have to be listed: see `items_of`.

    Raises:
        Problem: 400, it is no JSON; 422, it is a list of too few or too many tasks.
    """
    try:
        asked: TaskRequest | Sequence[TaskRequest] = parsed(body, _tasks)
    except msgspec.ValidationError:
        return None
    if not isinstance(asked, TaskRequest):
        require_count(asked)
    return asked


def items_of(body: bytes) -> Raw | Sequence[Raw]:
    """Return the text of a task, or of each task of an array.

    Raises:
        Problem: 400, it is no JSON; 422, it is a list of too few or too many tasks.
    """
    whole = bytes(parsed(body, _any))
    if not whole.startswith(b"["):
        return Raw(whole)
    if len(whole) > _LARGE:
        _require_objects(whole)
    items = _list.decode(whole)
    require_count(items)
    return items


def _require_objects(body: bytes) -> None:
    """Refuse a large list at the first item that cannot be a task: it may have half a million.

    Raises:
        Problem: 422.
    """
    try:
        _objects.decode(body)
    except msgspec.ValidationError as error:
        raise Problem.invalid("invalid tasks", (Fault("[]", str(error)),)) from None


def require_count(tasks: Sequence[object]) -> None:
    """Refuse a list that is empty or too long.

    Raises:
        Problem: 422.
    """
    if not 1 <= len(tasks) <= MAX_TASKS:
        message = f"must be 1 to {MAX_TASKS} tasks, not {len(tasks)}"
        raise Problem.invalid("invalid tasks", (Fault("[]", message),))


def indexed(index: int, faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield the faults of one task of several, each under the name it has among all."""
    for fault in faults:
        yield Fault(f"[{index}].{fault.field}", fault.message)


def read_one(body: Raw) -> tuple[TaskRequest, Faults]:
    """Return the task, as far as it can be read, and what is wrong with its options.

    Raises:
        NoAction: it cannot be read at all.
    """
    try:
        keys = _object.decode(body)
        action = _action.decode(keys.pop("action"))
    except (KeyError, msgspec.ValidationError):
        raise NoAction from None
    data = keys.pop("data", _NO_DATA)
    values, faults = read_options(keys, OPTIONS, _UNKNOWN)
    return TaskRequest(action=action, data=data, **values), faults


def read_options(
    given: Mapping[str, Raw], allowed: Mapping[str, str], unknown: str
) -> tuple[dict[str, Any], Faults]:
    """Return the options that can be read, and what is wrong with the others.

    Args:
        given: the text of each option.
        allowed: what each option must be, in words.
        unknown: what to say of any other field.
    """
    values: dict[str, Any] = {}
    faults = Faults()
    for position, (key, value) in enumerate(given.items()):
        if faults.is_full:
            faults.add(more=len(given) - position)
            break
        if key not in allowed:
            faults.add(Fault(key, unknown))
            continue
        try:
            values[key] = _read_option(key, value)
        except msgspec.ValidationError:
            faults.add(Fault(key, allowed[key]))
    return values, faults


def _read_option(key: str, value: Raw) -> object:
    wanted = _TYPES[key]
    try:
        return msgspec.json.decode(value, type=wanted)
    except msgspec.ValidationError:
        # JSON has one kind of number: 8.0 is a whole number to every client, but not to msgspec.
        number = msgspec.json.decode(value, type=float)
        return msgspec.convert(int(number) if number.is_integer() else number, wanted)
