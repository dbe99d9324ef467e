"""The events of a service as its client reads them. No I/O happens here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict
from urllib.parse import urlencode

import msgspec

from taskqueue.client.views import TaskInfo
from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct

SILENCE_S = 45.0
"""A stream that is silent for so long is lost: the service sends something every 15 s."""

GAP = "gap"
"""The name of the event that says that others were missed."""

_ENDS = {
    Status.COMPLETED: "task_completed",
    Status.DEAD: "task_dead_lettered",
    Status.CANCELLED: "task_cancelled",
}
ENDS = frozenset(_ENDS.values())
"""The events with which a task ends."""


class EventFilters(TypedDict, total=False):
    """Which events are wanted: those that match all of this; each is one value or several."""

    task: str | Sequence[str] | None
    action: str | Sequence[str] | None
    queue: str | Sequence[str] | None
    event: str | Sequence[str] | None


class ServiceEvent(Struct, kw_only=True):
    """One thing that has happened in a service. Its name says what else is in `data`."""

    name: str
    at: float | None
    """In seconds since 1970 (UTC); None for a `gap`."""
    task_id: str | None = None
    action: str | None = None
    queue: str | None = None
    attempt: int | None = None
    data: Mapping[str, Any]
    """All fields of the event."""

    @property
    def is_gap(self) -> bool:
        """Whether it says that events before it were missed."""
        return self.name == GAP


class Block(NamedTuple):
    """What a stream sends at once: an event, or only the id to come back with."""

    id: str = ""
    name: str = ""
    data: bytes = b""


class BlockReader:
    """Splits the stream of a service into blocks as it arrives.

    It reads the part of the HTML standard that the service writes: lines end with LF, and each
    field is given once per block.
    """

    def __init__(self) -> None:
        """Begin with a new stream."""
        self._rest = b""

    def feed(self, received: bytes) -> Iterator[Block]:
        """Yield the blocks that are complete now. Comments alone are blocks without anything."""
        *blocks, self._rest = (self._rest + received).split(b"\n\n")
        for text in blocks:
            yield _block(text)


def _block(text: bytes) -> Block:
    fields: dict[bytes, bytes] = {}
    for line in text.split(b"\n"):
        name, _, value = line.partition(b":")
        fields[name] = value.removeprefix(b" ")
    return Block(
        fields.get(b"id", b"").decode(),
        fields.get(b"event", b"").decode(),
        fields.get(b"data", b""),
    )


def event_of(block: Block) -> ServiceEvent:
    """Return the event of a block that has one."""
    data = msgspec.json.decode(block.data, type=dict[str, Any])
    return _event(block.name, data)


def end_of(task: TaskInfo) -> ServiceEvent:
    """Return the event with which a task has ended, made from the task."""
    fields = {
        "at": task.processed_at,
        "task_id": task.id,
        "action": task.action,
        "queue": task.queue,
        "attempt": task.attempt,
        "reason": task.reason,
    }
    data = {name: value for name, value in fields.items() if value is not None}
    return _event(_ENDS[task.status], data)


def _event(name: str, data: Mapping[str, Any]) -> ServiceEvent:
    return ServiceEvent(
        name=name,
        at=data.get("at"),
        task_id=data.get("task_id"),
        action=data.get("action"),
        queue=data.get("queue"),
        attempt=data.get("attempt"),
        data=data,
    )


def path_of(filters: EventFilters) -> str:
    """Return the path of a stream with these filters."""
    wanted = {
        "task": filters.get("task"),
        "action": filters.get("action"),
        "queue": filters.get("queue"),
        "event": filters.get("event"),
    }
    given = {name: _joined(value) for name, value in wanted.items() if value is not None}
    return f"/events?{urlencode(given)}" if given else "/events"


def _joined(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)
