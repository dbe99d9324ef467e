"""Access control: asks who may make a call before its handler runs, and records what it changed.

`taskqueue.rules.access` decides. What is looked at here besides is the name under which the service
was asked: a page of any site may send requests to this machine, but after its own name has been
pointed here (DNS rebinding) that name is in `Host`.
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, assert_never

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from taskqueue.clock import Clock
from taskqueue.http.audit import AuditTrail
from taskqueue.http.callers import host_of, page_of
from taskqueue.http.hosts import is_address, is_loopback, name_of
from taskqueue.http.permissions import Permissions
from taskqueue.http.problems import UNAVAILABLE, Problem, Unavailable
from taskqueue.http.route import AUDITED_BODY, CALLER, Route
from taskqueue.http.sessions import CHALLENGE
from taskqueue.ids import new_id
from taskqueue.rules.access import Caller, Page, Refusal, Refused, Role
from taskqueue.rules.audit import AuditedChange

_SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_DOWN = Unavailable("service unavailable")
_OWN_PAGE = "Pages of other sites may not do this."


class Hosts:
    """The names under which the service may be addressed."""

    def __init__(self, *, is_local: bool, trusted: Collection[str]) -> None:
        """Make it for a server that only this machine can reach, or for another."""
        names = frozenset(map(name_of, trusted))
        any_host = not is_local and not names
        self.answers_to = lru_cache(
            lambda host: any_host or is_loopback(name_of(host)) or name_of(host) in names
        )


_AUDITED_PATH = 1_000  # characters


class Guard:
    """Lets a request pass if its sender may make the call."""

    def __init__(
        self,
        routes: Mapping[Callable[..., Any], Route],
        hosts: Hosts,
        permissions: Permissions,
        *,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        """Make a guard; `routes` is by the handler that aiohttp calls."""
        self._routes = routes
        self._hosts = hosts
        self._permissions = permissions
        self._trail = trail
        self._clock = clock

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass on a request that is allowed.

        Raises:
            Problem: 401, it lacks a token; 403, its sender, its host or its page may not do this;
                415, its body has a content coding, or is of another type than a change has; 503,
                the tokens cannot be read.
        """
        route = self._routes.get(request.match_info.handler)
        changes = request.method not in _SAFE
        host = _asked(request)
        if route is not None and route.role is None:
            self._require_known(host, or_address=True)
            _require_no_coding(request)
            if changes and page_of(request.headers, host) is Page.FOREIGN:
                raise _forbidden(_OWN_PAGE)
            request[CALLER] = None
            return await handler(request)
        self._require_known(host)
        _require_no_coding(request)
        # Paths that do not exist need a token too, so that strangers learn nothing about them.
        role = Role.READ if route is None or route.role is None else route.role
        try:
            caller = await self._permissions.decide(request, host, role, changes=changes)
        except UNAVAILABLE as error:
            raise (_DOWN if route is None else route.unavailable).problem(error) from error
        if isinstance(caller, Refusal):
            raise _problem(caller)
        request[CALLER] = caller
        if route is None or not changes:
            return await handler(request)
        if role is Role.ADMIN:
            _require_json(request)
        return await self._recorded(request, handler, caller, route, role)

    async def _recorded(
        self, request: web.Request, handler: Handler, caller: Caller, route: Route, role: Role
    ) -> web.StreamResponse:
        """Answer a call that changes something; record it unless nothing was changed."""
        status = 500
        try:
            response = await handler(request)
            status = response.status
        except Problem as problem:
            status = problem.status.value
            raise
        finally:
            if not 400 <= status < 500:
                change = AuditedChange(
                    id=new_id(),
                    at=self._clock.now(),
                    role=role,
                    who=caller.name,
                    remote=caller.address,
                    method=request.method,
                    path=_shown(request.raw_path),  # a bulk change is in the query
                    status=status,
                    body=_audited_body(request, route),
                )
                self._trail.record(change, is_enqueue=route.only_enqueues)
        return response

    def _require_known(self, host: str, *, or_address: bool = False) -> None:
        """Refuse names that are not ours. An address is no name that a page could point here."""
        if self._hosts.answers_to(host) or (or_address and is_address(name_of(host))):
            return
        raise _forbidden(
            "The service does not answer to this Host. It answers to loopback names, such as "
            "localhost, and to the names in the setting `trusted_hosts`."
        )


def _asked(request: web.Request) -> str:
    """Return the host that a request asks.

    Raises:
        Problem: 400; target and `Host` differ.
    """
    host, agrees = host_of(request)
    if not agrees:
        detail = "Host differs from the host in the request line."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid request", detail)
    return host


def _audited_body(request: web.Request, route: Route) -> str | None:
    is_shown = route.body is not None and route.body.is_audited
    return request.get(AUDITED_BODY) if is_shown else None


def _shown(path: str) -> str:
    """Return what the trail shows of a path.

    aiohttp's parser in Python lets bytes pass that are no UTF-8. They could not be stored.
    """
    return path[:_AUDITED_PATH].encode(errors="replace").decode()


def _require_no_coding(request: web.Request) -> None:
    if hdrs.CONTENT_ENCODING not in request.headers:
        return
    for codings in request.headers.getall(hdrs.CONTENT_ENCODING, ()):
        if codings.strip().lower() not in {"", "identity"}:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unsupported content coding",
                "Send the body as it is, without Content-Encoding.",
                headers={hdrs.ACCEPT_ENCODING: "identity"},
            )


def _require_json(request: web.Request) -> None:
    """Refuse a body of another type: a page could send it without asking first.

    A request that has neither a body nor a type changes nothing about that: pages have to show
    their `Origin` with it.
    """
    if request.method == hdrs.METH_DELETE or request.content_type == "application/json":
        return
    if request.body_exists or hdrs.CONTENT_TYPE in request.headers:
        detail = "Content-Type must be application/json."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported media type", detail)


def _problem(refusal: Refusal) -> Problem:
    match refusal.kind:
        case Refused.UNAUTHENTICATED:
            return Problem(
                HTTPStatus.UNAUTHORIZED, "unauthenticated", refusal.detail, headers=CHALLENGE
            )
        case Refused.FORBIDDEN:
            return _forbidden(refusal.detail)
        case never:
            assert_never(never)


def _forbidden(detail: str) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", detail)
