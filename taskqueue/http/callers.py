"""Who sends a request: its address, its token or session, and the page it comes from."""

from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from multidict import MultiMapping

from taskqueue.clock import Clock
from taskqueue.http.hosts import is_loopback, name_of
from taskqueue.http.sessions import Sessions, session_id_of
from taskqueue.rules.access import Page, Proof, Requester, Token, Tokens
from taskqueue.rules.proxies import UNIX, Proxies

_BEARER = "bearer"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_OWN_SITES = frozenset({"same-origin", "none"})
_FORWARDED = frozenset({"forwarded", "via", "x-real-ip"})

_TELLING = frozenset({"authorization", "cookie", "origin", "sec-fetch-site"})

# Clients send the same again and again.
_is_loopback = lru_cache(maxsize=1024)(is_loopback)


@lru_cache(maxsize=1024)
def _is_loopback_host(host: str) -> bool:
    return is_loopback(name_of(host))


def _is_local(peer: str) -> bool:
    return peer == UNIX or _is_loopback(peer)


@lru_cache(maxsize=1024)
def _is_of_a_proxy(header: str) -> bool:
    name = header.lower()
    return name in _FORWARDED or name.startswith("x-forwarded-")


class Callers:
    """Tells what is known of the sender of a request."""

    def __init__(
        self, sessions: Sessions, clock: Clock, *, on_unix: bool, proxies: Proxies
    ) -> None:
        """Make it for a server; `on_unix`: that listens on a Unix socket."""
        self._sessions = sessions
        self._clock = clock
        self._on_unix = on_unix
        self._proxies = proxies
        self._is_proxy = lru_cache(maxsize=1024)(proxies.trusts)
        self._telling = _TELLING | {proxies.header}
        self._plain = lru_cache(maxsize=128)(self._of_names)  # names may be long

    def requester(self, request: web.Request, host: str, tokens: Tokens) -> Requester:
        """Return what is known of the sender of `request`, which asks `host`."""
        headers = request.headers
        peer = UNIX if self._on_unix else request.remote or "unknown"
        plain = self._plain(peer, host, tuple(headers))
        return plain or self._of_values(peer, host, headers, tokens)

    def _of_names(self, peer: str, host: str, names: tuple[str, ...]) -> Requester | None:
        """Return the sender of a request if the values of its headers tell no more of it.

        Nearly all requests of a program are alike in what is looked at here.
        """
        if not self._telling.isdisjoint(map(str.lower, names)):
            return None
        return Requester(
            address=peer,
            is_local=_is_local(peer),
            is_forwarded=any(map(_is_of_a_proxy, names)),
            has_loopback_host=_is_loopback_host(host),
            page=Page.UNSTATED,
            proof=Proof.NONE,
        )

    def _of_values(
        self, peer: str, host: str, headers: MultiMapping[str], tokens: Tokens
    ) -> Requester:
        address, is_local, is_forwarded = self._origin(peer, headers)
        proof, token = self._proof(headers, tokens)
        return Requester(
            address=address,
            is_local=is_local,
            is_forwarded=is_forwarded,
            has_loopback_host=_is_loopback_host(host),
            page=page_of(headers, host),
            proof=proof,
            token=token,
        )

    def _origin(self, peer: str, headers: MultiMapping[str]) -> tuple[str, bool, bool]:
        """Return the client's address, whether it is local, and whether a stranger forwarded it."""
        proxies = self._proxies
        if self._is_proxy(peer):
            values = headers.getall(proxies.header, ())
            if values:
                client = proxies.client(values)
                is_local = client is not None and client.is_loopback
                return "unknown" if client is None else str(client), is_local, False
        return peer, _is_local(peer), any(map(_is_of_a_proxy, headers))

    def _proof(self, headers: MultiMapping[str], tokens: Tokens) -> tuple[Proof, Token | None]:
        now = self._clock.now()
        if given := headers.getall(hdrs.AUTHORIZATION, ()):
            scheme, _, text = given[0].partition(" ")
            is_one = len(given) == 1 and scheme.lower() == _BEARER
            token = tokens.find(text.strip(), now=now) if is_one else None
            return Proof.UNKNOWN if token is None else Proof.HEADER, token
        session_id = session_id_of(headers)
        if session_id is None:
            return Proof.NONE, None
        token = self._sessions.find(session_id, tokens, now=now)
        return Proof.UNKNOWN if token is None else Proof.COOKIE, token


def host_of(request: web.Request) -> tuple[str, bool]:
    """Return the host, with its port, that a request asks, and whether `Host` says the same.

    The request line goes first.
    """
    host = request.headers.get(hdrs.HOST, "")
    target = request.raw_path
    if target.startswith(("/", "*")):
        return host, True
    asked = target if request.method == hdrs.METH_CONNECT else urlsplit(target).netloc
    return asked, asked.lower() == host.lower()


def page_of(headers: MultiMapping[str], host: str) -> Page:
    """Return which page has sent a request to `host`."""
    sites = headers.getall("Sec-Fetch-Site", ())
    origins = headers.getall(hdrs.ORIGIN, ())
    if any(site.lower() not in _OWN_SITES for site in sites):
        return Page.FOREIGN
    if not origins:
        return Page.UNSTATED
    is_own = len(origins) == 1 and is_origin_of(origins[0], host)
    return Page.OWN if is_own else Page.FOREIGN


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
