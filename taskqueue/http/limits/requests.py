"""What requests about limits say."""

from typing import Annotated, Any, TypeAlias

from msgspec import Meta
from msgspec.structs import asdict

from taskqueue.errors import Fault
from taskqueue.http.bodies import FieldReader
from taskqueue.http.problems import Problem
from taskqueue.http.queries import Parameter, Query, whole_number
from taskqueue.rules.limit_checks import (
    BURST_RULE,
    COST_RULE,
    MOST,
    PER_S_RULE,
    RUNNING_RULE,
    STARTS_RULE,
    value_faults,
    values_of,
)
from taskqueue.rules.limits import LimitValues
from taskqueue.rules.names import KEY_RULE, KEY_SCHEMA, MAX_KEY, UNPRINTABLE, is_key
from taskqueue.rules.options import MAX_DELAY_S
from taskqueue.structs import Struct

MAX_PAGE = 100  # keys in one answer


def _must(rule: str) -> str:
    return rule.removeprefix("must be ")


_Running: TypeAlias = Annotated[int, Meta(ge=1, le=MOST, description=_must(RUNNING_RULE))]
# JSON has one kind of number: 2.0 is a whole number to every client.
_WholeFloat: TypeAlias = Annotated[float, Meta(ge=1, le=MOST, description=_must(RUNNING_RULE))]
_Starts: TypeAlias = Annotated[float, Meta(gt=0, le=MOST, description=_must(STARTS_RULE))]
_Seconds: TypeAlias = Annotated[float, Meta(gt=0, lt=MAX_DELAY_S, description=_must(PER_S_RULE))]
_Burst: TypeAlias = Annotated[float, Meta(ge=1, le=MOST, description=_must(BURST_RULE))]
_Cost: TypeAlias = Annotated[float, Meta(gt=0, le=MOST, description=_must(COST_RULE))]
_Key: TypeAlias = Annotated[str, Meta(description=_must(KEY_RULE), extra_json_schema=KEY_SCHEMA)]


class SlotsRequest(Struct, forbid_unknown_fields=True):
    """A limit on tasks that run."""

    running: _Running
    starts: None = None
    per_s: None = None
    burst: None = None


class RateRequest(Struct, forbid_unknown_fields=True):
    """A limit on tasks that start, and perhaps on those that run."""

    starts: _Starts
    per_s: _Seconds | None = None
    burst: _Burst | None = None
    running: _Running | None = None


ValuesRequest: TypeAlias = SlotsRequest | RateRequest


class _Values(Struct):
    running: _WholeFloat | None = None
    starts: _Starts | None = None
    per_s: _Seconds | None = None
    burst: _Burst | None = None


_values = FieldReader(_Values)


async def read_values(body: bytes) -> LimitValues:
    """Return what a limit is to allow.

    Raises:
        Problem: 400, it is no JSON; 422, with every fault.
    """
    said: dict[str, Any] = asdict(_Values(**_values.read(body)))
    if said["running"] is not None and said["running"].is_integer():
        said["running"] = int(said["running"])
    if faults := tuple(value_faults(**said)):
        raise Problem.invalid("invalid request", faults)
    return values_of(**said)


class TakeRequest(Struct, forbid_unknown_fields=True):
    """How much is taken, and under which key."""

    cost: _Cost = 1.0
    key: _Key | None = None


_take = FieldReader(TakeRequest)


async def read_take(body: bytes) -> TakeRequest:
    """Return what is taken; the body may be left out.

    Raises:
        Problem: 400, it is no JSON; 422, with every fault.
    """
    taken = TakeRequest(**_take.read(body or b"{}"))
    if taken.key is not None and not is_key(taken.key):
        raise Problem.invalid("invalid request", (Fault("key", KEY_RULE),))
    return taken


class KeysRequest(Struct):
    """Which keys of a limit are shown."""

    limit: int = MAX_PAGE
    cursor: str | None = None


def _cursor_of(text: str) -> str | None:
    return text if not text or is_key(text) else None


_Cursor: TypeAlias = Annotated[
    str, Meta(extra_json_schema={"maxLength": MAX_KEY, "pattern": f"^[^{UNPRINTABLE}]*$"})
]

KEYS = Query(
    KeysRequest,
    {
        "limit": whole_number(1, MAX_PAGE),
        "cursor": Parameter(_cursor_of, "what another answer had as `next`", _Cursor),
    },
)
