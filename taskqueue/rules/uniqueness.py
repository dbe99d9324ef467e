"""Unique keys: how one is made, for how long a task holds it, and what a repeat does. Pure.

    unique_key="order-7"                        a key that the caller gives
    unique_by=("user_id",)                      a key made of the data: user_id=7
    unique_scope="action"                       only tasks of the same action share it

A key is stored with its scope behind it, after a character that no key contains. So one index keeps
all keys apart, and finds those of every scope by what comes first.
"""

from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal, TypeAlias

import msgspec

from taskqueue.rules.names import is_key
from taskqueue.structs import Struct

SEPARATOR = "\x1f"
AFTER_SCOPES = "\x20"
"""The end of the index range that has a key in all its scopes, behind the key itself."""

UntilName: TypeAlias = Literal["ended", "started", "deleted"]
ScopeName: TypeAlias = Literal["global", "action", "queue"]
OnRepeatName: TypeAlias = Literal["keep", "replace", "postpone", "reject"]
Until: TypeAlias = str | float
"""How long a task holds its key: one of `KeyEnd`, or a number of seconds since its enqueue."""


class KeyEnd(StrEnum):
    """The event after which the key of a task is free."""

    ENDED = "ended"  # completed, dead or cancelled
    STARTED = "started"  # a consumer has claimed it
    DELETED = "deleted"  # by retention or by a caller


class Scope(StrEnum):
    """Among which tasks a key is unique."""

    GLOBAL = "global"
    ACTION = "action"
    QUEUE = "queue"


class OnRepeat(StrEnum):
    """What an enqueue does whose key another task holds."""

    KEEP = "keep"  # nothing
    REPLACE = "replace"  # the waiting task gets the new payload, priority and run_at
    POSTPONE = "postpone"  # the waiting task gets the new run_at
    REJECT = "reject"


CHANGING = frozenset({OnRepeat.REPLACE, OnRepeat.POSTPONE})


class KeyRule(Struct):
    """What was chosen about the key of a task; `latest_s` counts from the first enqueue."""

    until: Until = KeyEnd.DELETED
    on_repeat: OnRepeat | None = None  # None: the same request is repeated, another is a conflict
    latest_s: float | None = None


class KeyState(Struct):
    """The key of a stored task: its scope, how long it is held, and whether that is over."""

    scope: Scope
    until: Until
    is_free: bool


def stored_key(key: str, scope: str, *, action: str, queue: str) -> str:
    """Return a key as it is stored.

    >>> stored_key("7", "global", action="mail", queue="default")
    '7'
    >>> stored_key("7", "action", action="mail", queue="default")
    '7\\x1faction\\x1fmail'
    """
    if scope == Scope.GLOBAL:
        return key
    return SEPARATOR.join((key, scope, action if scope == Scope.ACTION else queue))


def shown_key(stored: str) -> str:
    """Return the key as its caller knows it."""
    return stored.partition(SEPARATOR)[0]


def scope_of(stored: str) -> Scope:
    """Return the scope of a stored key."""
    _, _, rest = stored.partition(SEPARATOR)
    return Scope(rest.partition(SEPARATOR)[0]) if rest else Scope.GLOBAL


def key_of(data: bytes, names: Sequence[str]) -> str:
    """Return the key that these fields of a task's data make; a missing one counts as null.

    A key that would be too long or unprintable is the SHA-256 of itself.

    >>> key_of(b'{"user_id": 7, "full": true}', ("user_id",))
    'user_id=7'
    """
    values = _decoded(data)
    text = ", ".join(f"{name}={_canonical(values.get(name))}" for name in names)
    return text if is_key(text) else sha256(text.encode()).hexdigest()


_decoded = msgspec.json.Decoder(dict[str, Any]).decode


def _canonical(value: object) -> str:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return msgspec.json.encode(whole, order="sorted").decode()
