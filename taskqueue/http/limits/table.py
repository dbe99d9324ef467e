"""The calls about limits, for the route table."""

from collections.abc import Iterator
from http import HTTPStatus

from taskqueue.clock import Clock
from taskqueue.commands import Ask
from taskqueue.http.limits.answers import LimitDetail, LimitList, LimitView, TakenAnswer
from taskqueue.http.limits.requests import (
    KEYS,
    TakeRequest,
    ValuesRequest,
    read_take,
    read_values,
)
from taskqueue.http.limits.routes import LimitRoutes
from taskqueue.http.pages import NAMES
from taskqueue.http.problems import Unavailable
from taskqueue.http.route import Body, Route
from taskqueue.rules.access import Role

_LIMIT = "/limits/{name}"
_OK = HTTPStatus.OK
_NO_LIMIT = {HTTPStatus.NOT_FOUND: "no such limit"}
_READING = Unavailable("limits unavailable")
_CHANGING = Unavailable("failed to change limit")


def limit_table(ask: Ask, clock: Clock) -> Iterator[Route]:
    """Yield the calls about limits."""
    limits = LimitRoutes(ask, clock)
    yield Route(
        "GET",
        "/limits",
        limits.list_limits,
        Role.READ,
        {_OK: LimitList},
        query=NAMES,
        unavailable=_READING,
    )
    yield Route(
        "GET",
        _LIMIT,
        limits.show_limit,
        Role.READ,
        {_OK: LimitDetail},
        query=KEYS,
        problems=_NO_LIMIT,
        unavailable=_READING,
    )
    yield Route(
        "PUT",
        _LIMIT,
        limits.change_limit,
        Role.ADMIN,
        {_OK: LimitView},
        body=Body(ValuesRequest, read_values, is_audited=True),
        unavailable=_CHANGING,
        writes=True,
    )
    yield Route(
        "DELETE",
        _LIMIT,
        limits.reset_limit,
        Role.ADMIN,
        {HTTPStatus.NO_CONTENT: None},
        problems=_NO_LIMIT,
        unavailable=_CHANGING,
        writes=True,
    )
    yield Route(
        "POST",
        f"{_LIMIT}/take",
        limits.take_starts,
        Role.ENQUEUE,
        {_OK: TakenAnswer},
        body=Body(TakeRequest, read_take, required=False),
        problems={**_NO_LIMIT, HTTPStatus.TOO_MANY_REQUESTS: "rate spent"},
        unavailable=Unavailable("failed to take starts", "They may or may not have been taken."),
        writes=True,
        only_enqueues=True,
    )
