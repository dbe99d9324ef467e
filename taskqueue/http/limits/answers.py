"""The answers about limits."""

from collections.abc import Sequence
from typing import Literal, Self

from taskqueue.http.pages import NamesRequest, page_of
from taskqueue.rules.limits import KeyUsage, LimitUsage, LimitValues
from taskqueue.structs import Struct


class AllowedView(Struct):
    """How much a limit allows for each of its keys; null is any number."""

    running: int | None
    starts: float | None
    per_s: float | None
    burst: float | None

    @classmethod
    def of(cls, values: LimitValues) -> Self:
        """Return the view of these values; what `starts` are for is not shown without them."""
        if values.starts is None:
            return cls(running=values.running, starts=None, per_s=None, burst=None)
        return cls(
            running=values.running, starts=values.starts, per_s=values.per_s, burst=values.burst
        )


class LimitView(Struct):
    """A limit as it stands, with what is used of it under all its keys.

    `declared` is what the app has declared, null if it declares no such limit. `changed_at` is null
    if that holds. Up to a thousand tasks that wait for it are counted.
    """

    name: str
    allows: AllowedView
    declared: AllowedView | None
    changed_at: float | None
    running: int
    waiting: int

    @classmethod
    def of(cls, usage: LimitUsage) -> Self:
        """Return the view of a limit."""
        declared = usage.declared
        return cls(
            name=usage.name,
            allows=AllowedView.of(usage.values),
            declared=None if declared is None else AllowedView.of(declared),
            changed_at=usage.changed_at,
            running=usage.running,
            waiting=usage.waiting,
        )


class LimitList(Struct):
    """Some limits, by name. `next` is the cursor of the page after this one, or None."""

    limits: Sequence[LimitView]
    next: str | None = None

    @classmethod
    def of(cls, usages: Sequence[LimitUsage], asked: NamesRequest) -> Self:
        """Return the page that is asked for."""
        page = page_of(
            usages,
            asked,
            name_of=lambda usage: usage.name,
            size_of=lambda usage: len(usage.name.encode()),
        )
        return cls(limits=[*map(LimitView.of, page.entries)], next=page.next)


class LimitDetail(Struct):
    """A limit with those of its keys that are in use, by key.

    `opens_at` is when the rate of a key allows the next start; null if it does now. The page after
    this one begins behind `next`.
    """

    limit: LimitView
    keys: Sequence[KeyUsage]
    next: str | None


class TakenAnswer(Struct):
    """The starts are taken."""

    taken: Literal[True] = True
