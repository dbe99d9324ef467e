"""Access control: which requests are answered, and which of them may change something.

There are no credentials yet, so access rests on where a request comes from. A page of any site may
send requests to this machine. It cannot hide its `Origin`, and after its own name has been pointed
here (DNS rebinding) that name is in `Host`.
"""

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import MultiMapping

from taskqueue.http.hosts import is_loopback, name_of
from taskqueue.http.problems import Problem


class Role(Enum):
    """Who may make a call."""

    READER = "reader"
    """Every client that may talk to this host name."""

    CLIENT = "client"
    """The same, but no page of another site: it adds or changes tasks."""

    ADMINISTRATOR = "administrator"
    """Programs and pages of this machine, on a loopback address: it changes the service."""


_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_OWN_SITES = frozenset({"same-origin", "none"})
_FORWARDED = frozenset({"forwarded", "via", "x-real-ip"})


class Guard:
    """Refuses what a request's host, origin, sender or type does not allow."""

    def __init__(
        self,
        roles: Mapping[Callable[..., Any], Role],
        *,
        bound_to: str,
        hosts: Collection[str] = (),
    ) -> None:
        """Make a guard.

        Args:
            roles: the role that each handler asks for.
            bound_to: the address on which the server listens.
            hosts: host names that are answered beside those of the loopback interface.
        """
        self._roles = roles
        self._bound_to = bound_to
        self._is_local = is_loopback(bound_to)
        self._any_host = not self._is_local and not hosts
        names = frozenset(map(name_of, hosts))
        self._answers_to = lru_cache(
            lambda host: is_loopback(name_of(host)) or name_of(host) in names
        )

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass on a request that is allowed.

        Raises:
            Problem: 403, its host, its origin or its sender is not allowed; 415, its body has a
                content coding, or is of another type than a change of the service has.
        """
        host = _host_of(request)
        if not self._any_host:
            self._require_known(host)
        _require_no_coding(request)
        match self._roles.get(request.match_info.handler, Role.READER):
            case Role.CLIENT:
                _require_own_page(request.headers, host)
            case Role.ADMINISTRATOR:
                self._require_local(request, host)
                _require_own_page(request.headers, host)
                _require_json(request)
            case Role.READER:
                pass
        return await handler(request)

    def _require_known(self, host: str) -> None:
        if not self._answers_to(host):
            raise _forbidden(
                "The service does not answer to this Host. It answers to loopback names, such as "
                "localhost, and to the names in the setting `hosts`."
            )

    def _require_local(self, request: web.Request, host: str) -> None:
        if not self._is_local:
            raise _forbidden(
                f"This is possible only when the server listens on a loopback address, "
                f"and it listens on {self._bound_to}."
            )
        if not is_loopback(request.remote or ""):
            raise _forbidden("Only this machine may do this.")
        if not is_loopback(name_of(host)):
            raise _forbidden("Host must be a loopback name, such as localhost.")
        if any(map(_is_of_a_proxy, request.headers)):
            raise _forbidden(
                "Only this machine may do this, and a proxy has forwarded the request."
            )


def _host_of(request: web.Request) -> str:
    """Return the host, with its port, that a request asks: that of its target goes first.

    Raises:
        Problem: 400; target and `Host` differ.
    """
    host = request.headers.get(hdrs.HOST, "")
    target = request.raw_path
    if target.startswith(("/", "*")):
        return host
    asked = target if request.method == hdrs.METH_CONNECT else urlsplit(target).netloc
    if asked.lower() != host.lower():
        detail = "Host differs from the host in the request line."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid request", detail)
    return asked


def _require_no_coding(request: web.Request) -> None:
    for codings in request.headers.getall(hdrs.CONTENT_ENCODING, ()):
        if codings.strip().lower() not in {"", "identity"}:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unsupported content coding",
                "Send the body as it is, without Content-Encoding.",
                headers={hdrs.ACCEPT_ENCODING: "identity"},
            )


def _require_own_page(headers: MultiMapping[str], host: str) -> None:
    """Refuse what a page of another site sends."""
    sites = headers.getall("Sec-Fetch-Site", ())
    origins = headers.getall(hdrs.ORIGIN, ())
    is_own = all(site.lower() in _OWN_SITES for site in sites) and (
        not origins or (len(origins) == 1 and is_origin_of(origins[0], host))
    )
    if not is_own:
        raise _forbidden("Pages of other sites may not do this.")


def is_origin_of(origin: str, host: str) -> bool:
    """Tell whether a page of this origin was served under this `Host`, with TLS or without.

    >>> is_origin_of("http://localhost:8080", "localhost:8080")
    True
    >>> is_origin_of("https://queue.example", "queue.example:443")
    True
    >>> is_origin_of("http://evil.example", "localhost"), is_origin_of("null", "null")
    (False, False)
    """
    scheme, _, authority = origin.lower().partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    if port is None or not authority:
        return False
    return authority.removesuffix(port) == host.lower().removesuffix(port)


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


def _is_of_a_proxy(header: str) -> bool:
    name = header.lower()
    return name in _FORWARDED or name.startswith("x-forwarded-")


def _forbidden(detail: str) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", detail)
