"""Which dead tasks somebody means.

{"ids": ["01a2…", "01a3…"]}      these
{"action": "resize"}             those that match; `queue` too, or both
{"all": true}                    all: it has to be said
"""

from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from taskqueue.errors import Fault
from taskqueue.http.bodies import Fields, read_fields
from taskqueue.http.problems import Problem
from taskqueue.http.tasks.queries import task_id_of
from taskqueue.rules.options import NAME_RULE, is_name
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

_FIELDS: Fields = {
    "action": (str, "a name"),
    "queue": (str, "a name"),
    "ids": (Annotated[list[str], Meta(min_length=1, max_length=MAX_IDS)], f"1 to {MAX_IDS} ids"),
    "all": (bool, "true"),
}


def read_selection(body: bytes) -> Selection:
    """Return whom a body means.

    Raises:
        Problem: 400, it is no JSON; 422, with every fault.
    """
    said = read_fields(body, _FIELDS)
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
