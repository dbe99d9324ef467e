"""How long something took, many times: a histogram whose bins grow with the duration. Pure."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from operator import add

from taskqueue.structs import Struct

_PER_OCTAVE = 4
_SHORT_S = 2.0**-10  # what is shorter is not told apart
_OCTAVES = 27  # up to 36 hours


def _duration(octave: int, part: float) -> float:
    return _SHORT_S * 2.0**octave * (1 + part / _PER_OCTAVE)


_BOUNDS = tuple(_duration(*divmod(number, _PER_OCTAVE)) for number in range(_OCTAVES * _PER_OCTAVE))
"""Where each bin but the first begins: four of the same width in an octave."""

_BINS = 1 + len(_BOUNDS)
_EMPTY = bytes(_BINS * array("I").itemsize)


class Durations(Struct):
    """Durations in seconds; half and 95 in 100 of them are at most so long."""

    p50: float
    p95: float
    max: float


class Histogram:
    """Durations, counted by their bins."""

    __slots__ = ("counts", "longest_s")

    def __init__(self) -> None:
        self.counts = array("I", _EMPTY)
        self.longest_s = 0.0

    def add(self, seconds: float, also: "Histogram") -> None:
        """Count one, here and in another histogram."""
        number = bisect_right(_BOUNDS, seconds)
        self.counts[number] += 1
        also.counts[number] += 1
        if seconds > self.longest_s:  # noqa: PLR1730 - `max` takes thrice as long
            self.longest_s = seconds
        if seconds > also.longest_s:  # noqa: PLR1730
            also.longest_s = seconds


def summary(histograms: Sequence[Histogram]) -> Durations | None:
    """Return what all of these together say; None if they are empty."""
    counts: Sequence[int] = [0] * _BINS
    for each in histograms:
        counts = list(map(add, counts, each.counts))
    if not any(counts):
        return None
    longest_s = max(each.longest_s for each in histograms)
    return Durations(
        p50=round(min(_at(counts, 0.50), longest_s), 6),
        p95=round(min(_at(counts, 0.95), longest_s), 6),
        max=round(longest_s, 6),
    )


def _at(counts: Sequence[int], share: float) -> float:
    """Return the duration that this share of them does not exceed: the middle of its bin."""
    left = share * sum(counts)
    for number, count in enumerate(counts):
        left -= count
        if count and left <= 0:
            return _middle(number)
    raise AssertionError


def _middle(number: int) -> float:
    """Return the middle of a bin, an eighth from its ends at most.

    >>> [_middle(number) for number in (0, 1, 41)]
    [0.00048828125, 0.0010986328125, 1.125]
    """
    if number == 0:
        return _SHORT_S / 2
    octave, part = divmod(number - 1, _PER_OCTAVE)
    return _duration(octave, part + 0.5)
