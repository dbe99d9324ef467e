"""What a call is: the entry of the route table, and what its handler takes and returns."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, TypeVar

from aiohttp import web
from multidict import MultiMapping

from taskqueue.http.answers import Answer
from taskqueue.http.problems import Unavailable
from taskqueue.http.queries import Parameters, Query
from taskqueue.http.server.large import Client
from taskqueue.rules.access import Caller, Role

B = TypeVar("B")
Q = TypeVar("Q")


class Call(NamedTuple, Generic[B, Q]):
    """A request, decoded. `B` is the type of its body, `Q` of its query; None if it has none."""

    path: Mapping[str, str]
    query: Q
    headers: MultiMapping[str]
    body: B
    client: Client
    caller: Caller | None = None
    """Who makes it; None: everybody may, so it was not asked."""


CALLER: web.RequestKey[Caller | None] = web.RequestKey("caller")
"""Where a request keeps who makes it; see `Call`."""

AUDITED_BODY = web.RequestKey("audited_body", str)
"""Where a request keeps what the audit trail shows of its body."""

_AUDITED_BYTES = 1_000


class Body(NamedTuple):
    """A request's body: its type, as documented, and what decodes it.

    The reader is a coroutine, so that a long list gives other requests a turn of the loop.
    """

    type: Any
    read: Callable[[bytes], Awaitable[Any]]
    required: bool = True
    is_audited: bool = False
    """Whether the audit trail shows it: it says what is changed, and holds no data of tasks."""

    def audited(self, raw: bytes) -> str:
        """Return what the audit trail shows of a body."""
        text = raw[:_AUDITED_BYTES].decode(errors="replace")
        return f"{text}…" if len(raw) > _AUDITED_BYTES else text


ASKS_NO_PART = Unavailable("service unavailable")
"""For calls that no part of the service has to answer."""


@dataclass(frozen=True, slots=True)
class Route:
    """One call. The first line of its handler's docstring describes it."""

    method: str
    path: str
    handler: Callable[[Call[Any, Any]], Awaitable[Answer]]
    role: Role | None
    """What a caller needs; None: everybody may make this call."""
    answers: Mapping[HTTPStatus, Any]
    """The type of each answer that is not a problem; None for one without a body."""
    _: KW_ONLY
    body: Body | None = None
    query: Query | None = None
    headers: Parameters = field(default_factory=dict)
    problems: Mapping[HTTPStatus, str] = field(default_factory=dict)
    """The problems of this call alone: `error` by status."""
    unavailable: Unavailable = ASKS_NO_PART
    """The answer while a part of the service is down."""
    writes: bool = False
    """Changes the storage: refused before the body is read while nothing can be written."""
    only_enqueues: bool = False
    """The tasks show what it did, so the audit trail keeps it in memory only."""
