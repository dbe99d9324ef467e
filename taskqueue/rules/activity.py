"""What each queue did in the last minutes: attempts that ended, and how long they had waited.

    ended(queue, …) ─▶ the bucket of these 10 s ─▶ Recent: of 1, 5 and 15 minutes

A bucket holds two counts and a histogram of waits whose bins grow with the wait, so a queue costs
64 KiB however many tasks it has, and nothing once it has been idle for 15 minutes. Pure: `now` is
monotonic.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from math import frexp
from operator import add

from taskqueue.structs import Struct

BUCKET_S = 10.0
BUCKETS = 90
MINUTES = (1, 5, 15)
MOST_QUEUES = 200
"""How many are counted at a time; those beyond are not."""

_PER_OCTAVE = 4
_SHORT_S = 2.0**-10  # waits below that are not told apart
_LEAST = -9  # the binary exponent of that
_BEFORE_FIRST = _PER_OCTAVE * (_LEAST + 1) - 1  # the fraction of a float is 1/2 at least
_BINS = 1 + 27 * _PER_OCTAVE  # up to 36 hours
_NO_WAITS = bytes(_BINS * array("I").itemsize)


class Waits(Struct):
    """How long attempts had waited, in seconds; half and 95 in 100 of them at most so long."""

    p50: float
    p95: float
    max: float


class Recent(Struct):
    """A queue's last minutes; `counted_s` of them were counted, up to now."""

    minutes: int
    counted_s: float
    completed_per_min: float
    failed_per_min: float
    wait_s: Waits | None  # None: no attempt that had begun has ended


class Activity:
    """The recent activity of all queues."""

    def __init__(self) -> None:
        """Begin to count with `begin`."""
        self._began: float | None = None
        self._queues: dict[str, _Ring] = {}

    def begin(self, now: float) -> None:
        """Count from now on; does nothing if it has begun."""
        if self._began is None:
            self._began = now

    def ended(
        self, queue: str, now: float, *, waited_s: float | None, completed: int, failed: int
    ) -> None:
        """Count an attempt that has ended.

        Args:
            queue: of its task.
            now: the monotonic clock.
            waited_s: from when the task could run to when its handler began; None if it did not.
            completed: 1 if it has completed the task, else 0.
            failed: 1 if it has failed, retried or not, else 0.
        """
        ring = self._queues.get(queue) or self._new(queue, now)
        if ring is not None:
            bucket = ring.current(now)
            bucket.completed += completed
            bucket.failed += failed
            if waited_s is not None:
                bucket.waits[_bin(waited_s)] += 1
                if waited_s > bucket.longest_s:  # noqa: PLR1730 - `max` takes thrice as long
                    bucket.longest_s = waited_s

    def recent(self, queue: str, now: float) -> Sequence[Recent]:
        """Return the last 1, 5 and 15 minutes of a queue; nothing if it is not counted."""
        began = now if self._began is None else self._began
        ring = self._queues.get(queue)
        if ring is None and len(self._queues) >= MOST_QUEUES:
            return ()
        buckets = () if ring is None else ring.buckets
        return tuple(_recent(minutes, buckets, began=began, now=now) for minutes in MINUTES)

    def _new(self, queue: str, now: float) -> "_Ring | None":
        if len(self._queues) >= MOST_QUEUES:
            oldest = _number(now) - BUCKETS
            self._queues = {
                name: ring for name, ring in self._queues.items() if ring.latest > oldest
            }
        if len(self._queues) >= MOST_QUEUES:
            return None
        ring = self._queues[queue] = _Ring()
        return ring


class _Bucket:
    """The attempts of a queue that ended within the same 10 s."""

    __slots__ = ("completed", "failed", "longest_s", "number", "waits")

    def __init__(self, number: int) -> None:
        self.number = number
        self.completed = 0
        self.failed = 0
        self.longest_s = 0.0
        self.waits = array("I", _NO_WAITS)


class _Ring:
    """The buckets of a queue that had attempts, oldest first."""

    __slots__ = ("buckets",)

    def __init__(self) -> None:
        self.buckets: deque[_Bucket] = deque()

    @property
    def latest(self) -> int:
        """The number of the latest bucket; there is one as soon as the ring is used."""
        return self.buckets[-1].number

    def current(self, now: float) -> _Bucket:
        """Return the bucket of this instant."""
        number = _number(now)
        buckets = self.buckets
        if not buckets or buckets[-1].number != number:
            buckets.append(_Bucket(number))
            while buckets[0].number <= number - BUCKETS:
                buckets.popleft()
        return buckets[-1]


def _recent(minutes: int, ring: Iterable[_Bucket], *, began: float, now: float) -> Recent:
    first = _number(now) - round(60 * minutes / BUCKET_S) + 1
    buckets = [bucket for bucket in ring if bucket.number >= first]
    counted_s = now - max(first * BUCKET_S, began)
    per_min = 60 / max(counted_s, BUCKET_S)  # the first tasks of a service are no rate yet
    return Recent(
        minutes=minutes,
        counted_s=round(counted_s, 3),
        completed_per_min=round(sum(each.completed for each in buckets) * per_min, 2),
        failed_per_min=round(sum(each.failed for each in buckets) * per_min, 2),
        wait_s=_waits(buckets),
    )


def _waits(buckets: Sequence[_Bucket]) -> Waits | None:
    counts: Sequence[int] = [0] * _BINS
    for bucket in buckets:
        counts = list(map(add, counts, bucket.waits))
    if not any(counts):
        return None
    longest_s = max(bucket.longest_s for bucket in buckets)
    return Waits(
        p50=round(min(_at(counts, 0.50), longest_s), 6),
        p95=round(min(_at(counts, 0.95), longest_s), 6),
        max=round(longest_s, 6),
    )


def _at(counts: Sequence[int], share: float) -> float:
    """Return the wait that this share of the waits does not exceed: the middle of its bin."""
    left = share * sum(counts)
    for number, count in enumerate(counts):
        left -= count
        if count and left <= 0:
            return _middle(number)
    raise AssertionError


def _number(now: float) -> int:
    return int(now // BUCKET_S)


def _bin(wait_s: float) -> int:
    """Return the bin of a wait; each octave has four of the same width.

    >>> _bin(0.0), _bin(0.001), _bin(1 / 1024), _bin(1.0), _bin(1e9)
    (0, 1, 1, 41, 108)
    """
    if wait_s < _SHORT_S:
        return 0
    fraction, exponent = frexp(wait_s)
    number = _PER_OCTAVE * exponent + int(2 * _PER_OCTAVE * fraction) - _BEFORE_FIRST
    return number if number < _BINS else _BINS - 1


def _middle(number: int) -> float:
    """Return the middle of a bin, an eighth from its ends at most.

    >>> [_middle(number) for number in (0, 1, 41)]
    [0.00048828125, 0.0010986328125, 1.125]
    """
    if number == 0:
        return _SHORT_S / 2
    octave, part = divmod(number - 1, _PER_OCTAVE)
    return 2.0 ** (octave + _LEAST - 1) * (1 + (part + 0.5) / _PER_OCTAVE)
