"""Which stretches of time have a partition of their own for what ended in them, pure.

    past ──▶| span | span | span | span |◀── rest
                      now ─┘      └─ made ahead

A span ends where the next one begins. A partition is dropped when all of its span is old enough, so
a task is kept for as long as it was said, and for up to the length of a span longer.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from taskqueue.rules.retention import DAY_S

HOUR_S = 3_600
SHORTEST_S = 900
LONGEST_S = 28 * int(DAY_S)

PARTS = 4
"""In how many spans a retention is divided, at least."""

AHEAD = 2
"""For how many spans from now on there are to be partitions."""


class Span(NamedTuple):
    """From when until when, in seconds since the epoch: the end belongs to the next one."""

    start: int
    end: int


def length_s(kept_s: float) -> int:
    """Return how long the spans of what is kept for so long are: days, if that makes enough.

    >>> length_s(7 * DAY_S) / DAY_S, length_s(90 * DAY_S) / DAY_S, length_s(60), length_s(86400)
    (1.0, 22.0, 900, 21600)
    """
    part = min(max(kept_s / PARTS, SHORTEST_S), LONGEST_S)
    unit = next(unit for unit in (int(DAY_S), HOUR_S, SHORTEST_S) if unit <= part)
    return int(part // unit) * unit


def lacking(known: Iterable[Span], *, past_end: float, length_s: int, now: float) -> Iterator[Span]:
    """Yield the spans from now on that need a partition: what no known one has.

    >>> [*lacking([Span(0, 10)], past_end=0, length_s=8, now=9)]
    [Span(start=10, end=16), Span(start=16, end=24), Span(start=24, end=32)]
    >>> [*lacking([Span(28, 99)], past_end=0, length_s=8, now=17)]
    [Span(start=16, end=24), Span(start=24, end=28)]
    >>> [*lacking([Span(3, 99)], past_end=0, length_s=8, now=5)]
    []
    >>> [*lacking([], past_end=5, length_s=8, now=30)][:1]
    [Span(start=24, end=32)]
    """
    spans = sorted(known)
    start = max(math.ceil(past_end), _begin_of(now, length_s))
    while start <= now + AHEAD * length_s:
        end = _begin_of(start, length_s) + length_s
        first = next((span for span in spans if span.end > start and span.start < end), None)
        gap = Span(start, end if first is None else first.start)
        if gap.start < gap.end and gap.end > now:
            yield gap
        start = end if first is None else first.end


def later_part(span: Span, *, now: float) -> Span | None:
    """Return what of a span comes after this quarter of an hour, None if nothing does.

    >>> later_part(Span(0, 9000), now=1000), later_part(Span(0, 900), now=0)
    (Span(start=1800, end=9000), None)
    """
    start = max(span.start, _begin_of(now, SHORTEST_S) + SHORTEST_S)
    return Span(start, span.end) if start < span.end else None


def old(known: Iterable[Span], *, ended_before: float, now: float) -> list[Span]:
    """Return the spans of which nothing has to be kept."""
    return [span for span in known if span.end <= min(ended_before, now)]


def _begin_of(instant: float, length_s: int) -> int:
    return int(instant // length_s) * length_s
