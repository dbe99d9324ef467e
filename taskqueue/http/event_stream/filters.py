"""Which events a client wants, as it says in the query of `GET /events`."""

from collections.abc import Callable, Collection
from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta

from taskqueue.http.event_stream.public import FIELDS, GAP, PublicEvent
from taskqueue.http.queries import Parameter, Query
from taskqueue.http.tasks.ids import task_id_of
from taskqueue.rules.names import MAX_NAME, NAME_SCHEMA, is_name
from taskqueue.structs import Struct


class EventFilter(Struct):
    """The events of these tasks, actions, queues and names; an empty set leaves it open."""

    task: frozenset[str] = frozenset()
    action: frozenset[str] = frozenset()
    queue: frozenset[str] = frozenset()
    event: frozenset[str] = frozenset()

    @property
    def names(self) -> Collection[str]:
        """The names of the events that can pass."""
        return self.event or FIELDS.keys()

    def wants(self, event: PublicEvent) -> bool:
        """Return whether an event passes.

        An event about one task that does not know its action or its queue passes the filters for
        them: a client that follows a queue must not miss a cancellation.
        """
        if event.name == GAP:
            return True
        is_incomplete = event.task_id is not None and event.queue is None
        return (
            (not self.event or event.name in self.event)
            and (not self.task or event.task_id in self.task)
            and (not self.action or is_incomplete or event.action in self.action)
            and (not self.queue or is_incomplete or event.queue in self.queue)
        )


def _set_of(read: Callable[[str], str | None]) -> Callable[[str], frozenset[str] | None]:
    def read_all(text: str) -> frozenset[str] | None:
        values = [read(each) for each in text.split(",")]
        known = frozenset(value for value in values if value is not None)
        return known if None not in values else None

    return read_all


_Event: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": [*FIELDS]})]
# A name with a comma cannot be in a list that commas separate.
_LISTED_NAME = {**NAME_SCHEMA, "pattern": str(NAME_SCHEMA["pattern"]).replace("[^", "[^,")}
_Name: TypeAlias = Annotated[str, Meta(extra_json_schema=_LISTED_NAME)]
_NAMES = Parameter(
    _set_of(lambda text: text if is_name(text) else None),
    f"names of 1 to {MAX_NAME} printable characters, separated by commas",
    Annotated[list[_Name], Meta(min_length=1)],
)
EVENT_FILTER = Query(
    EventFilter,
    {
        "task": Parameter(
            _set_of(task_id_of),
            "ids of tasks, separated by commas",
            Annotated[list[UUID], Meta(min_length=1)],
        ),
        "action": _NAMES,
        "queue": _NAMES,
        "event": Parameter(
            _set_of(lambda text: text if text in FIELDS else None),
            f"some of {', '.join(FIELDS)}, separated by commas",
            Annotated[list[_Event], Meta(min_length=1)],
        ),
    },
)
