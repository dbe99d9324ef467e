"""The part of the route table about who may do what: sessions and the audit trail."""

from collections.abc import Iterator
from http import HTTPStatus

from taskqueue.commands import Ask
from taskqueue.http.audit import TRAIL_QUERY, AuditRoutes, Changes
from taskqueue.http.bodies import only_field
from taskqueue.http.problems import Unavailable
from taskqueue.http.route import Body, Route
from taskqueue.http.sessions import Identity, SessionAnswer, SessionRequest, SessionRoutes
from taskqueue.http.state import HttpState
from taskqueue.rules.access import Role


def access_routes(ask: Ask, sessions: SessionRoutes, state: HttpState) -> Iterator[Route]:
    """Yield the calls that begin, show and end a session, and list who has changed what."""
    yield Route(
        "POST",
        "/session",
        sessions.begin_session,
        None,
        {HTTPStatus.OK: SessionAnswer},
        body=Body(SessionRequest, only_field(SessionRequest)),
        problems={HTTPStatus.UNAUTHORIZED: "unauthenticated"},
    )
    yield Route("GET", "/session", sessions.show_session, Role.READ, {HTTPStatus.OK: Identity})
    yield Route("DELETE", "/session", sessions.end_session, None, {HTTPStatus.NO_CONTENT: None})
    yield Route(
        "GET",
        "/audit",
        AuditRoutes(ask, state.trail).list_changes,
        Role.ADMIN,
        {HTTPStatus.OK: Changes},
        query=TRAIL_QUERY,
        unavailable=Unavailable("audit trail unavailable"),
    )
