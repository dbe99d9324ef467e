"""Limits: how many tasks may run at once, and how many may start in a while. Pure.

A limit has a name and values. A task counts towards any number of limits, under a key of each: all
tasks of one key share its slots and its starts. The gate of a key is open while one more task may
start; a task that is claimed takes a slot of each of its gates, and keeps it while it is held.

Starts are counted by GCRA (the generic cell rate algorithm, a token bucket in one number): the
*debt* of a gate is the instant at which its bucket will be full again. In any `t` seconds at most
`burst + t * starts / per_s` starts happen.
"""

import math
from typing import NamedTuple

import msgspec

from taskqueue.rules.holds import HeldBack, Reason
from taskqueue.structs import Struct

NEVER = -math.inf
"""The debt of a gate that nothing has started through: its bucket is full."""


class LimitValues(Struct):
    """How much a limit allows, for each of its keys.

    Attributes:
        running: how many tasks may be held at once; None: any number.
        starts: how many may start within `per_s` seconds; None: any number.
        per_s: the seconds that `starts` are for.
        burst: how many may start at once after a pause.
    """

    running: int | None = None
    starts: float | None = None
    per_s: float = 1.0
    burst: float = 1

    @property
    def interval_s(self) -> float:
        """After how many seconds a start is paid for."""
        return 0.0 if self.starts is None else self.per_s / self.starts


UNLIMITED = LimitValues()


class LimitUse(NamedTuple):
    """What one task counts for: a limit, the key under which it does, and its cost in starts."""

    name: str
    key: str | None = None
    cost: float = 1.0

    @property
    def gate(self) -> str:
        """What tasks of the same limit and key have in common. A name has no slash."""
        return self.name if self.key is None else f"{self.name}/{self.key}"

    @property
    def shown(self) -> str:
        """The limit and the key, as people read them."""
        return self.name if self.key is None else f"{self.name}:{self.key}"


class GateState(NamedTuple):
    """How much of a key is used: the tasks that are held, and the debt of its starts."""

    running: int = 0
    debt_at: float = NEVER


class LimitUsage(Struct):
    """A limit as it stands.

    Attributes:
        name: its name.
        values: what holds now.
        declared: what the app has declared; None if it declares no such limit any more.
        changed_at: when it was changed at run time; None if what is declared holds.
        running: how many tasks are held under all its keys.
        waiting: how many tasks wait for it, up to a thousand.
        held_back: the same, by queue and reason.
        debt_at: when the fullest of its buckets will be full again, of all keys.
    """

    name: str
    values: LimitValues
    declared: LimitValues | None
    changed_at: float | None
    running: int
    waiting: int
    held_back: tuple[HeldBack, ...] = ()
    debt_at: float = NEVER


class KeyUsage(Struct):
    """One key of a limit: what is held, what waits (up to a thousand), when it may start again."""

    key: str | None
    running: int
    waiting: int
    opens_at: float | None


class GateFacts(Struct):
    """Why a limit holds a task back.

    Attributes:
        use: the limit and the key.
        values: what the limit allows.
        running: ids of some tasks that have its slots.
        count: how many tasks have them.
        opens_at: when its rate allows the first start; None if it is not the rate.
        ahead: how many tasks of the same queue wait for the same key before it, up to a thousand.
        is_shared: whether tasks of other queues wait for it as well: one of them may be next.
    """

    use: LimitUse
    values: LimitValues
    running: tuple[str, ...]
    count: int
    opens_at: float | None
    ahead: int
    is_shared: bool = False


class Taken(Struct):
    """The answer to a request for starts: granted, or when to ask again."""

    granted: bool
    retry_at: float


def opens_at(values: LimitValues, state: GateState, cost: float) -> float:
    """Return from which instant a task of this cost may start; infinity: when a slot is free.

    A cost beyond the burst is allowed when the bucket is full, and leaves a debt.

    >>> hourly = LimitValues(starts=1, per_s=3600)
    >>> opens_at(hourly, GateState(debt_at=7200.0), 1)
    7200.0
    >>> opens_at(LimitValues(running=2), GateState(running=2), 1)
    inf
    """
    if values.running is not None and state.running >= values.running:
        return math.inf
    if values.starts is None:
        return NEVER
    return state.debt_at - max(values.burst - cost, 0.0) * values.interval_s


def reason(values: LimitValues, state: GateState) -> Reason:
    """Return why a gate lets none through."""
    is_full = values.running is not None and state.running >= values.running
    return Reason.SLOT if is_full else Reason.RATE


def rate_used(values: LimitValues, debt_at: float, *, now: float) -> float:
    """Return which part of the bucket of a gate is used; above 1 there is a debt.

    >>> minute = LimitValues(starts=60, per_s=60, burst=20)
    >>> [rate_used(minute, at, now=100.0) for at in (NEVER, 105.0, 120.0, 150.0)]
    [0.0, 0.25, 1.0, 2.5]
    """
    if values.starts is None:
        return 0.0
    return max(0.0, debt_at - now) / (values.burst * values.interval_s)


def debt_after(values: LimitValues, debt_at: float, cost: float, *, now: float) -> float:
    """Return the debt of a gate after a start of this cost."""
    return max(debt_at, now) + cost * values.interval_s


def debt_without(
    values: LimitValues, debt_at: float, cost: float, *, started_at: float, now: float
) -> float:
    """Return the debt of a gate when a start of this cost is given back.

    The time since has paid for a part of it. If the bucket was full meanwhile, others have started
    with that part, so only the rest is given back: the rate holds for the starts that are left.

    >>> minute = LimitValues(starts=1, per_s=60)
    >>> [debt_without(minute, 70.0, 1, started_at=10.0, now=at) for at in (10.0, 30.0, 90.0)]
    [10.0, 30.0, 70.0]
    """
    paid_s = abs(now - started_at)  # the clock may have been set back
    return debt_at - max(0.0, cost * values.interval_s - paid_s)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[LimitUse, ...]).decode


def encoded(uses: tuple[LimitUse, ...]) -> str | None:
    """Return what tasks keep of their limits, as JSON text; None if they have none."""
    return _encode(uses).decode() if uses else None


def decoded(text: str | None) -> tuple[LimitUse, ...]:
    """Return the limits that a task keeps."""
    return () if text is None else _decode(text)
