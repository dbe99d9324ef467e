"""Browser sessions: a cookie in the place of a token, so that no page has to keep the token.

The cookie is a random id. It is HttpOnly, so scripts cannot read it, and SameSite=Strict, so other
sites cannot use it. Sessions end with their token, after twelve hours, and with the service.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie

from aiohttp import hdrs
from multidict import MultiMapping

from taskqueue.clock import Clock
from taskqueue.events import events
from taskqueue.http.answers import Answer
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call
from taskqueue.rules.access import Role, Token, Tokens, digest_of
from taskqueue.structs import Struct

COOKIE = "taskqueue_session"
LASTS_S = 12 * 3600
MOST = 1_000  # the oldest session ends when there is one more
_ID_BYTES = 32
_ATTRIBUTES = "Path=/; HttpOnly; SameSite=Strict"


class SessionRequest(Struct, forbid_unknown_fields=True):
    """What begins a session."""

    token: str


class SessionAnswer(Struct):
    """A session that has begun."""

    name: str
    role: Role
    expires_at: float


class Identity(Struct):
    """Who asks, and what they may do."""

    name: str
    role: Role


class _Session(Struct):
    token: bytes  # its digest
    expires_at: float


class Sessions:
    """The sessions, in memory, by the hash of their ids. They outlive the gateway."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, _Session] = {}

    def begin(self, token: Token, *, now: float) -> tuple[str, float]:
        """Begin a session for the holder of `token`; return its id and when it ends."""
        session_id = secrets.token_urlsafe(_ID_BYTES)
        expires_at = min(now + LASTS_S, token.expires_at or float("inf"))
        self._sessions[digest_of(session_id)] = _Session(token=token.digest, expires_at=expires_at)
        while len(self._sessions) > MOST:
            self._sessions.pop(next(iter(self._sessions)))
        return session_id, expires_at

    def find(self, session_id: str, tokens: Tokens, *, now: float) -> Token | None:
        """Return the token of a session; None if the session or its token is no more."""
        session = self._sessions.get(digest_of(session_id))
        if session is None or now >= session.expires_at:
            return None
        return tokens.find_digest(session.token, now=now)

    def end(self, session_id: str) -> None:
        """End a session. Harmless if there is none."""
        self._sessions.pop(digest_of(session_id), None)


def session_id_of(headers: MultiMapping[str]) -> str | None:
    """Return the id of the session that a request names; None if it names none."""
    if hdrs.COOKIE not in headers:
        return None
    try:
        found = SimpleCookie(headers[hdrs.COOKIE]).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


class SessionRoutes:
    """The calls about sessions."""

    def __init__(
        self, sessions: Sessions, tokens: Callable[[], Awaitable[Tokens]], clock: Clock
    ) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock

    async def begin_session(self, call: Call[SessionRequest, None]) -> Answer:
        """Begin a browser session with a token; the answer sets its cookie."""
        now = self._clock.now()
        token = (await self._tokens()).find(call.body.token, now=now)
        if token is None:
            detail = "This token does not exist, was revoked or has expired."
            raise Problem(HTTPStatus.UNAUTHORIZED, "unauthenticated", detail, headers=CHALLENGE)
        session_id, expires_at = self._sessions.begin(token, now=now)
        events.info("session_started", who=token.name, expires_at=expires_at)
        cookie = _cookie(session_id, int(expires_at - now), is_secure=_is_secure(call.headers))
        answer = SessionAnswer(name=token.name, role=token.role, expires_at=expires_at)
        return Answer(answer, headers={hdrs.SET_COOKIE: cookie})

    async def show_session(self, call: Call[None, None]) -> Answer:
        """Show who asks, and what they may do: by a session, a token, or as this machine."""
        caller = call.caller
        assert caller is not None  # noqa: S101 - the call needs a role
        return Answer(Identity(name=caller.name, role=caller.role))

    async def end_session(self, call: Call[None, None]) -> Answer:
        """End the browser session of the cookie, if there is one."""
        session_id = session_id_of(call.headers)
        if session_id is not None:
            self._sessions.end(session_id)
        cookie = _cookie("", 0, is_secure=_is_secure(call.headers))
        return Answer(None, HTTPStatus.NO_CONTENT, {hdrs.SET_COOKIE: cookie})


CHALLENGE: Mapping[str, str] = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="taskqueue"'}


def _cookie(value: str, max_age_s: int, *, is_secure: bool) -> str:
    cookie = f"{COOKIE}={value}; Max-Age={max_age_s}; {_ATTRIBUTES}"
    return f"{cookie}; Secure" if is_secure else cookie


def _is_secure(headers: MultiMapping[str]) -> bool:
    """Return whether the browser has come by HTTPS, which a proxy has ended."""
    origin = headers.get(hdrs.ORIGIN, "").lower()
    scheme = headers.get(hdrs.X_FORWARDED_PROTO, "").rpartition(",")[2].strip().lower()
    return origin.startswith("https://") or scheme == "https"
