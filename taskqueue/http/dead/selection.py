"""Which dead tasks a request means.

{"ids": ["01a2…", "01a3…"]}      these
{"action": "resize"}             those that match; `queue` too, or both
{"all": true}                    all: it has to be said
"""

from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from taskqueue.errors import Fault
from taskqueue.http.bodies import FieldReader
from taskqueue.http.problems import Problem
from taskqueue.http.tasks.answers import TaskId
from taskqueue.http.tasks.ids import task_id_of
from taskqueue.rules.names import NAME_RULE, NAME_SCHEMA, is_name
from taskqueue.structs import Struct

MAX_IDS = 1_000  # in one request


class These(Struct):
    """The tasks with these ids, each named once."""

    task_ids: tuple[str, ...]


class Matching(Struct):
    """The tasks of an action, of a queue, or of both; None for any."""

    action: str | None = None
    queue: str | None = None


Selection: TypeAlias = These | Matching

_Name: TypeAlias = Annotated[str, Meta(description="a name", extra_json_schema=NAME_SCHEMA)]
_Ids: TypeAlias = Annotated[
    list[TaskId], Meta(min_length=1, max_length=MAX_IDS, description=f"1 to {MAX_IDS} ids")
]


class ByIds(Struct, forbid_unknown_fields=True):
    """These dead tasks; those that are not dead are skipped."""

    ids: _Ids


class ByAction(Struct, forbid_unknown_fields=True):
    """All dead tasks of an action, or of an action in a queue."""

    action: _Name
    queue: _Name | UnsetType = UNSET


class ByQueue(Struct, forbid_unknown_fields=True):
    """All dead tasks of a queue."""

    queue: _Name


class Everything(Struct, forbid_unknown_fields=True):
    """All dead tasks."""

    all: Annotated[bool, Meta(description="true", extra_json_schema={"const": True})]


SelectionRequest: TypeAlias = ByIds | ByAction | ByQueue | Everything

_fields = FieldReader(ByAction, ByIds, Everything)


async def read_selection(body: bytes) -> Selection:
    """Return which tasks a body means.

    Raises:
        Problem: 400, it is no JSON; 422, with every fault.
    """
    said = _fields.read(body)
    faults = tuple(_faults(said))
    if faults:
        raise Problem.invalid("invalid request", faults)
    if "ids" in said:
        return These(task_ids=tuple(dict.fromkeys(map(str.lower, said["ids"]))))
    return Matching(action=said.get("action"), queue=said.get("queue"))


def _faults(said: dict[str, Any]) -> Iterator[Fault]:
    if not said:
        yield Fault("all", "must be true if all dead tasks are meant; else say ids, action, queue")
    for alone in ("ids", "all"):
        if alone in said and len(said) > 1:
            yield Fault(alone, "stands alone, without other fields")
    if said.get("all") is False:
        yield Fault("all", "must be true, or be left out")
    for name in ("action", "queue"):
        if name in said and not is_name(said[name]):
            yield Fault(name, NAME_RULE)
    for index, text in enumerate(said.get("ids", ())):
        if task_id_of(text) is None:
            yield Fault(f"ids[{index}]", "is not the id of a task")
