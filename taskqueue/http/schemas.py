"""The shapes of requests and answers.

A task's data is not taken apart here: its bytes go from the request into the row, and from the row
into the answer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from operator import attrgetter
from typing import Annotated, Any, Self, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Raw
from multidict import MultiMapping

from taskqueue.errors import Fault
from taskqueue.http.problems import Problem
from taskqueue.supervision import ChildType, Node
from taskqueue.tasks import Attempt, Status, Task, TaskHistory
from taskqueue.words import Word

T = TypeVar("T")

MAX_TASKS = 10_000  # in one request
MAX_PAGE = 100  # tasks in one answer

# --- requests ------------------------------------------------------------------------------------

Text: TypeAlias = Annotated[str, Meta(min_length=1)]
Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]

_NO_DATA = Raw(b"{}")


class TaskRequest(Word, forbid_unknown_fields=True):
    """A task that somebody wants done."""

    action: Text
    data: Raw = _NO_DATA
    delay_s: float | None = None
    run_at: float | Instant | None = None
    priority: int | None = None
    max_attempts: int | None = None
    queue: str | None = None

    def options(self) -> dict[str, object]:
        """Return the choices that were made beside action and data."""
        values = zip(_OPTIONS, _choices_of(self), strict=True)
        chosen = {name: value for name, value in values if value is not None}
        if isinstance(self.run_at, datetime):
            chosen["run_at"] = self.run_at.timestamp()
        return chosen


class Place(Word, forbid_unknown_fields=True):
    """Somebody in the supervision tree."""

    path: str


class Size(Word, forbid_unknown_fields=True):
    """How many consumers there shall be."""

    count: Annotated[int, msgspec.Meta(ge=0, le=1024)]


_OPTIONS = {
    "delay_s": "must be a number of seconds",
    "run_at": "must be seconds since 1970 (UTC), or ISO 8601 with a time zone",
    "priority": "must be a whole number",
    "max_attempts": "must be a whole number",
    "queue": "must be a name",
}
_choices_of = attrgetter(*_OPTIONS)
_TYPES = {field.name: field.type for field in msgspec.structs.fields(TaskRequest)}

_tasks: msgspec.json.Decoder[TaskRequest | list[TaskRequest]] = msgspec.json.Decoder(
    TaskRequest | list[TaskRequest]
)
_any = msgspec.json.Decoder(Raw)
_list = msgspec.json.Decoder(list[Raw])
_object = msgspec.json.Decoder(dict[str, Raw])
_action: msgspec.json.Decoder[str] = msgspec.json.Decoder(Text)
_place = msgspec.json.Decoder(Place)
_size = msgspec.json.Decoder(Size)


class _NoAction(Exception):
    """There is no action, or what is there is no name."""


def read_tasks(body: bytes) -> TaskRequest | Sequence[TaskRequest]:
    """Return what a body asks for: a task, or several if it is an array.

    Raises:
        Problem: 400, it is no JSON, or no object with an action; 422, with every fault.
    """
    try:
        asked: TaskRequest | Sequence[TaskRequest] = _parsed(body, _tasks)
    except msgspec.ValidationError:
        # It stops at the first fault, before it has seen whether the rest is JSON at all.
        asked = _read_patiently(bytes(_parsed(body, _any)))
    if not isinstance(asked, TaskRequest) and not 1 <= len(asked) <= MAX_TASKS:
        message = f"must be 1 to {MAX_TASKS} tasks, not {len(asked)}"
        raise Problem.invalid("invalid tasks", (Fault("[]", message),))
    return asked


def read_path(body: bytes) -> str:
    """Return the path of the tree that a body names.

    Raises:
        Problem: 400, it is no JSON; 422, it is not `{"path": "..."}`.
    """
    try:
        return _parsed(body, _place).path
    except msgspec.ValidationError as error:
        raise Problem.invalid("invalid request", (Fault("path", str(error)),)) from None


def read_count(body: bytes) -> int:
    """Return the number of consumers that a body asks for.

    Raises:
        Problem: 400, it is no JSON; 422, it is not `{"count": 0…1024}`.
    """
    try:
        return _parsed(body, _size).count
    except msgspec.ValidationError as error:
        raise Problem.invalid("invalid request", (Fault("count", str(error)),)) from None


def _parsed(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a whole body, which has been looked at by nobody yet."""
    try:
        body.decode()  # what becomes `Raw` is skipped without a look at its encoding
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid JSON", str(error)) from None
    except RecursionError:
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid JSON", "nested too deeply") from None


def _read_patiently(body: bytes) -> TaskRequest | Sequence[TaskRequest]:
    if body.startswith(b"["):
        return _read_several(body)
    try:
        request, faults = _read_one(body)
    except _NoAction:
        raise Problem(HTTPStatus.BAD_REQUEST, "action required") from None
    if faults:
        raise Problem.invalid("invalid task", faults)
    return request


def _read_several(body: bytes) -> Sequence[TaskRequest]:
    requests: list[TaskRequest] = []
    faults: list[Fault] = []
    for index, item in enumerate(_list.decode(body)):
        try:
            request, wrong = _read_one(item)
        except _NoAction:
            faults.append(Fault(f"[{index}].action", "required"))
        else:
            requests.append(request)
            faults += indexed(index, wrong)
    if faults:
        raise Problem.invalid("invalid tasks", faults)
    return requests


def indexed(index: int, faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield the faults of one task of several, each under the name it has among all."""
    for fault in faults:
        yield Fault(f"[{index}].{fault.field}", fault.message)


def _read_one(body: bytes) -> tuple[TaskRequest, list[Fault]]:
    """Return the task, as far as it can be read, and everything that is wrong with it.

    Raises:
        _NoAction: it cannot be read at all.
    """
    try:
        keys = _object.decode(body)
        action = _action.decode(keys.pop("action"))
    except (KeyError, msgspec.ValidationError):
        raise _NoAction from None
    values: dict[str, Any] = {"action": action, "data": keys.pop("data", _NO_DATA)}
    faults: list[Fault] = []
    for key, value in keys.items():
        try:
            values[key] = _read_option(key, value)
        except KeyError:
            faults.append(Fault(key, f"unknown; beside action and data: {', '.join(_OPTIONS)}"))
        except msgspec.ValidationError:
            faults.append(Fault(key, _OPTIONS[key]))
    return TaskRequest(**values), faults


def _read_option(key: str, value: Raw) -> object:
    wanted = _TYPES[key]
    try:
        return msgspec.json.decode(value, type=wanted)
    except msgspec.ValidationError:
        # JSON has one kind of number: 8.0 is a whole number to everybody but the decoder.
        number = msgspec.json.decode(value, type=float)
        return msgspec.convert(int(number) if number.is_integer() else number, wanted)


# --- queries -------------------------------------------------------------------------------------


class PageRequest(Word):
    """Which tasks somebody wants to see."""

    status: Status | None = None
    limit: int = MAX_PAGE
    cursor: str | None = None


def read_page(query: MultiMapping[str]) -> PageRequest:
    """Return what the query of a list asks for.

    Raises:
        Problem: 422, with every parameter that is wrong.
    """
    return PageRequest(**_read_query(query, _PAGE))


def read_format(query: MultiMapping[str]) -> str | None:
    """Return the form in which somebody wants to see the tree, None for no wish.

    Raises:
        Problem: 422, with every parameter that is wrong.
    """
    wish: str | None = _read_query(query, _FORMAT).get("format")
    return wish


def task_id_of(text: str) -> str | None:
    """Return a task's id as it is stored, None if no task can have it.

    >>> task_id_of("0197A4C8-0000-7000-8000-000000000000")
    '0197a4c8-0000-7000-8000-000000000000'
    """
    try:
        canonical = str(UUID(text))
    except ValueError:
        return None
    return canonical if canonical == text.lower() else None


def _limit_of(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3):
        return None
    limit = int(text)
    return limit if 1 <= limit <= MAX_PAGE else None


_Parameters: TypeAlias = Mapping[str, tuple[Callable[[str], object], str]]

_PAGE: _Parameters = {
    "status": ({str(status): status for status in Status}.get, f"one of {', '.join(Status)}"),
    "limit": (_limit_of, f"a whole number from 1 to {MAX_PAGE}"),
    "cursor": (task_id_of, "what another answer had as `next`"),
}
_FORMAT: _Parameters = {"format": ({"json": "json", "text": "text"}.get, "one of json, text")}


def _read_query(query: MultiMapping[str], parameters: _Parameters) -> dict[str, Any]:
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, text in query.items():
        if name not in parameters:
            faults.append(Fault(name, f"unknown; there are {', '.join(parameters)}"))
            continue
        read, allowed = parameters[name]
        value = read(text)
        if name in values:
            faults.append(Fault(name, "given twice"))
        elif value is None:
            faults.append(Fault(name, f"must be {allowed}"))
        values[name] = value
    if faults:
        raise Problem.invalid("invalid query", faults)
    return values


# --- answers -------------------------------------------------------------------------------------


class Accepted(Word):
    """A task that is queued, durably."""

    id: str
    status: Status


class AcceptedTasks(Word):
    """Several of them."""

    tasks: Sequence[Accepted]
    count: int


class TaskView(Word):
    """A task as it is shown: what a reader looks for first, first."""

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

    @classmethod
    def of(cls, task: Task, **more: Any) -> Self:
        """Return the view of `task`, with what a subclass has `more`."""
        fields: dict[str, Any] = msgspec.structs.asdict(task)
        fields["payload"] = Raw(task.payload)
        fields["result"] = None if task.result is None else Raw(task.result)
        return cls(**fields, **more)


class TaskDetail(TaskView):
    """A task with all that happened to it, oldest first."""

    attempts: Sequence[Attempt]

    @classmethod
    def of_history(cls, history: TaskHistory) -> Self:
        """Return the view of a task and its attempts."""
        return cls.of(history.task, attempts=history.attempts)


class Page(Word):
    """Some tasks, newest first. `next` is the cursor of the page after this one, or None."""

    tasks: Sequence[TaskView]
    count: int
    next: str | None

    @classmethod
    def of(cls, tasks: Sequence[Task], limit: int) -> Self:
        """Return the first `limit` tasks as a page; if there are more, so are pages."""
        shown = [TaskView.of(task) for task in tasks[:limit]]
        following = shown[-1].id if len(tasks) > limit else None
        return cls(tasks=shown, count=len(shown), next=following)


class Stats(Word):
    """How many tasks stand where."""

    tasks: Mapping[Status, int]


class Resized(Word):
    """How many consumers there will be."""

    count: int


class Killed(Word):
    """Whose end has been brought about."""

    killed: str


class Part(Word):
    """An actor in the supervision tree."""

    path: str
    id: str
    type: str
    status: str
    incarnation: int
    started_at: float | None
    last_exit: str | None
    last_exit_at: float | None


class SupervisorPart(Part):
    """A supervisor; one that is busy shows no figures."""

    strategy: str | None = None
    restarts_in_period: int | None = None
    max_restarts: int | None = None
    period_s: int | None = None
    children: Sequence[Part] = ()


def part_of(node: Node) -> Part:
    """Return a node of the tree, with all below it."""
    own = {name: getattr(node, name) for name in Part.__struct_fields__}
    if node.supervisor is None and node.type != ChildType.SUPERVISOR:
        return Part(**own)
    figures = {} if node.supervisor is None else msgspec.structs.asdict(node.supervisor)
    return SupervisorPart(**own, **figures, children=[part_of(child) for child in node.children])
