"""What requests about queues say."""

import re
from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from taskqueue.http.bodies import FieldReader
from taskqueue.http.queries import Parameter, Query, whole_number
from taskqueue.rules.names import UNPRINTABLE
from taskqueue.rules.sizes import MAX_CONSUMERS, MAX_SLOTS, SizeChange
from taskqueue.rules.turns import Flow, FlowPlace
from taskqueue.structs import Struct

_COUNT = f"a whole number from 0 to {MAX_CONSUMERS}, or null for the configured one"
_SLOTS = f"a whole number from 1 to {MAX_SLOTS}, or null for the configured one"

_Count: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_CONSUMERS, description=_COUNT)]
_Slots: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_SLOTS, description=_SLOTS)]
# JSON has one kind of number: 2.0 is a whole number to every client.
_WholeFrom0: TypeAlias = Annotated[
    float, Meta(ge=0, le=MAX_CONSUMERS, multiple_of=1, description=_COUNT)
]
_WholeFrom1: TypeAlias = Annotated[
    float, Meta(ge=1, le=MAX_SLOTS, multiple_of=1, description=_SLOTS)
]


MAX_PAGE = 100  # flows in one answer

_PLACE = rf"([0-9]{{1,3}}):([^{UNPRINTABLE}\ud800-\udfff]{{0,600}})"
_PLACE_SCHEMA = {"pattern": rf"^[0-9]{{1,3}}:[^{UNPRINTABLE}]{{0,600}}$"}


class PoolSizeRequest(Struct, forbid_unknown_fields=True):
    """How many consumers, and how many slots each of them; what is left out stays as it is."""

    count: _Count | UnsetType | None = UNSET
    slots: _Slots | UnsetType | None = UNSET


class FlowsRequest(Struct):
    """Which flows of a queue are shown."""

    limit: int = MAX_PAGE
    cursor: FlowPlace | None = None


def place_of(text: str) -> FlowPlace | None:
    """Return the place of a flow; None if the text is none.

    >>> place_of("3:tenant=acme"), place_of("acme")
    (FlowPlace(priority=3, name='tenant=acme'), None)
    """
    found = re.fullmatch(_PLACE, text)
    return None if found is None else FlowPlace(int(found[1]), found[2])


def cursor_of(flow: Flow) -> str:
    """Return the text of the place of a flow."""
    return f"{flow.priority}:{flow.name}"


_Cursor: TypeAlias = Annotated[str, Meta(extra_json_schema=_PLACE_SCHEMA)]

FLOWS = Query(
    FlowsRequest,
    {
        "limit": whole_number(1, MAX_PAGE),
        "cursor": Parameter(place_of, "what another answer had as `next`", _Cursor),
    },
)


class _Numbers(Struct):
    count: _WholeFrom0 | None = None
    slots: _WholeFrom1 | None = None


_numbers = FieldReader(_Numbers)


async def read_size(body: bytes) -> SizeChange:
    """Return a change of the size of a pool.

    Raises:
        Problem: 400, it is no JSON; 422, with every fault.
    """
    return SizeChange(**{name: _whole(number) for name, number in _numbers.read(body).items()})


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
