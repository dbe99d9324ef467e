"""What requests about queues say."""

from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from taskqueue.http.bodies import FieldReader
from taskqueue.rules.sizes import MAX_CONSUMERS, MAX_SLOTS, SizeChange
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


class PoolSizeRequest(Struct, forbid_unknown_fields=True):
    """How many consumers, and how many slots each of them; what is left out stays as it is."""

    count: _Count | UnsetType | None = UNSET
    slots: _Slots | UnsetType | None = UNSET


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
