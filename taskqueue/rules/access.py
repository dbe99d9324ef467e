"""Who may make a call: tokens, roles, and the decision about one request. Pure.

While no token exists, this machine may do everything and other machines nothing. As soon as one
exists, each request needs one, from this machine too.
"""

import hmac
from collections.abc import Iterable
from enum import Enum, StrEnum
from hashlib import sha256

from taskqueue.structs import Struct

TOKEN_PREFIX = "tq_"  # noqa: S105 - it lets scanners for leaked secrets find tokens

_MAKE_ONE = "make a token with `taskqueue tokens new`, and send it as `Authorization: Bearer …`"


class Role(StrEnum):
    """What a caller may do. Each role includes those before it."""

    READ = "read"
    """See tasks, queues and the supervision tree."""

    ENQUEUE = "enqueue"
    """Also create tasks, edit, cancel, clone and redrive single ones, and take starts of limits."""

    ADMIN = "admin"
    """Also delete, pause queues, change limits and the service, read audit trail and settings."""

    def includes(self, needed: "Role") -> bool:
        """Return whether a caller in this role may do what `needed` allows."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class Token(Struct):
    """A token as it is stored: its text is known to its holder only."""

    name: str
    role: Role
    digest: bytes
    created_at: float
    expires_at: float | None = None
    used_at: float | None = None
    """The latest use, to the minute; None if it was never used."""

    def is_expired(self, now: float) -> bool:
        """Return whether it is refused at `now`."""
        return self.expires_at is not None and now >= self.expires_at


def digest_of(text: str) -> bytes:
    """Return what is stored of a token.

    A plain SHA-256: a token has 256 random bits, so a slow hash would protect it no better. A
    header may hold bytes that are no text; no token has them, and they find none.
    """
    return sha256(text.encode(errors="surrogateescape")).digest()


class Tokens:
    """The tokens of one instant, found by their text."""

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._by_digest = {token.digest: token for token in tokens}

    def __bool__(self) -> bool:
        """Return whether there is any token, expired ones included."""
        return bool(self._by_digest)

    def find(self, text: str, *, now: float) -> Token | None:
        """Return the token with this text; None if there is none, or it has expired."""
        return self.find_digest(digest_of(text), now=now)

    def find_digest(self, digest: bytes, *, now: float) -> Token | None:
        """Return the token with this digest; None if there is none, or it has expired."""
        token = self._by_digest.get(digest)
        # The look-up ends early for most digests. That tells nothing about a token, because its
        # digest cannot be chosen; the comparison that decides takes the same time for all.
        if token is None or not hmac.compare_digest(token.digest, digest):
            return None
        return None if token.is_expired(now) else token


class Proof(Enum):
    """How a caller shows who it is."""

    NONE = "none"
    UNKNOWN = "unknown"  # a token or a session that does not exist, was revoked or has expired
    HEADER = "header"
    COOKIE = "cookie"


class Page(Enum):
    """Which web page has sent a request, by its `Origin` and `Sec-Fetch-Site`."""

    UNSTATED = "unstated"  # a program, or an old browser
    OWN = "own"
    FOREIGN = "foreign"


class Requester(Struct):
    """What is known of a request before it is answered."""

    address: str
    """Where it comes from, as the audit trail shows it."""
    is_local: bool
    """Its client is on this machine: a loopback address or a Unix socket."""
    is_forwarded: bool
    """It has headers of a proxy that the settings do not name."""
    has_loopback_host: bool
    page: Page
    proof: Proof
    token: Token | None = None


class Caller(Struct):
    """Who makes a call that is allowed."""

    name: str
    """The name of its token, or "local"."""
    address: str
    role: Role
    """What it may do."""


class Refused(Enum):
    """How a call is refused."""

    UNAUTHENTICATED = 401
    FORBIDDEN = 403


class Refusal(Struct):
    """Why a call is refused, in one sentence that says what to do."""

    kind: Refused
    detail: str


LOCAL = "local"


def decide(
    requester: Requester, needed: Role, *, changes: bool, has_tokens: bool
) -> Caller | Refusal:
    """Decide about a call that needs the role `needed`.

    Args:
        requester: who asks.
        needed: the role of the call.
        changes: whether it changes anything; a page of another site may not.
        has_tokens: whether any token exists.
    """
    refusal = _of_token(requester, needed) if has_tokens else _of_place(requester)
    if refusal is None and changes:
        refusal = _of_page(requester)
    if refusal is not None:
        return refusal
    if not has_tokens or requester.token is None:
        return Caller(name=LOCAL, address=requester.address, role=Role.ADMIN)
    token = requester.token
    return Caller(name=token.name, address=requester.address, role=token.role)


def _of_place(requester: Requester) -> Refusal | None:
    """Refuse all but this machine, while there is no token to tell callers apart."""
    if not requester.is_local:
        return _forbidden(f"Without tokens only this machine is answered: {_MAKE_ONE}.")
    if requester.is_forwarded:
        return _forbidden(
            "A proxy has forwarded this request, and without tokens only this machine is "
            f"answered: {_MAKE_ONE}. Name the proxy in the setting `behind_proxy`."
        )
    if not requester.has_loopback_host:
        return _forbidden(
            "Without tokens only loopback names, such as localhost, are answered as Host: "
            f"{_MAKE_ONE}. Name this Host in the setting `trusted_hosts`."
        )
    return None


def _of_token(requester: Requester, needed: Role) -> Refusal | None:
    token = requester.token
    if token is None:
        detail = (
            f"A token is needed: {_MAKE_ONE}."
            if requester.proof is Proof.NONE
            else "This token or session does not exist, was revoked or has expired."
        )
        return Refusal(kind=Refused.UNAUTHENTICATED, detail=detail)
    if not token.role.includes(needed):
        return _forbidden(
            f"This call needs the role {needed}; the token {token.name!r} has {token.role}."
        )
    return None


def _of_page(requester: Requester) -> Refusal | None:
    if requester.page is Page.FOREIGN:
        return _forbidden("Pages of other sites may not do this.")
    # A browser sends the cookie by itself, so only the Origin shows that a page of ours has asked.
    if requester.proof is Proof.COOKIE and requester.page is not Page.OWN:
        return _forbidden("A change in a browser session needs an Origin that is this site.")
    return None


def _forbidden(detail: str) -> Refusal:
    return Refusal(kind=Refused.FORBIDDEN, detail=detail)
