"""What the whole service did in the last hour, 10 s by 10 s, and which of its parts were restarted.

    enqueued(…), current(…) ─▶ the bucket of these 10 s ─▶ Bucket: counts, and durations in summary
    restarted(…)            ─▶ the latest 500

A bucket that is over is kept as its summary, so an hour takes 100 KiB however much was done. Pure:
`now` is monotonic, and `at` is on the clock of the caller.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from taskqueue.rules.durations import Durations, Histogram, summary
from taskqueue.structs import Struct

BUCKET_S = 10.0
MINUTES = 60
MOST_RESTARTS = 500

_BUCKETS = round(60 * MINUTES / BUCKET_S)


class Bucket(Struct):
    """What was done in the 10 s that began at `at`: tasks enqueued, attempts that have ended."""

    at: float
    enqueued: int
    completed: int
    failed: int
    wait_s: Durations | None
    """From when tasks could run to when their handlers began; None: no begun attempt has ended."""
    run_s: Durations | None
    """From then to their ends."""


class Restart(Struct):
    """A child that its supervisor has started again, and why its life before had ended."""

    at: float
    supervisor: str
    child_id: str
    incarnation: int
    reason: str | None


class RecentActivity(Struct):
    """The buckets and the restarts from `since` to `until`, oldest first.

    Buckets in which nothing was done are left out.
    """

    since: float
    until: float
    bucket_s: float
    buckets: tuple[Bucket, ...]
    restarts: tuple[Restart, ...]


class ServiceActivity:
    """The activity of all queues together."""

    def __init__(self) -> None:
        """Begin to count with `begin`."""
        self._began: float | None = None
        self._ended: deque[tuple[int, Bucket]] = deque()
        self._open: OpenBucket | None = None
        self._restarts: deque[Restart] = deque(maxlen=MOST_RESTARTS)

    def begin(self, now: float) -> None:
        """Count from now on; does nothing if it has begun."""
        if self._began is None:
            self._began = now

    def enqueued(self, tasks: int, now: float) -> None:
        """Count tasks that were committed."""
        self.current(now).enqueued += tasks

    def current(self, now: float) -> "OpenBucket":
        """Return the bucket of this instant, to count in it at once."""
        number = now // BUCKET_S
        bucket = self._open
        if bucket is None or bucket.number != number:
            if bucket is not None:
                self._ended.append((bucket.number, bucket.summary()))
            bucket = self._open = OpenBucket(int(number))
            while self._ended and self._ended[0][0] <= number - _BUCKETS:
                self._ended.popleft()
        return bucket

    def restarted(self, restart: Restart) -> None:
        """Note a restart, from any thread."""
        self._restarts.append(restart)

    def recent(self, minutes: int, *, now: float, at: float) -> RecentActivity:
        """Return the last minutes, up to `now`, which is the instant `at`.

        Args:
            minutes: 1 to 60.
            now: the monotonic clock.
            at: the same instant in epoch seconds.
        """
        began = now if self._began is None else self._began
        first = _number(now) - round(60 * minutes / BUCKET_S) + 1
        offset = at - now
        since = max(first * BUCKET_S, began) + offset
        return RecentActivity(
            since=round(since, 3),
            until=round(at, 3),
            bucket_s=BUCKET_S,
            buckets=tuple(_placed(self._since(first), offset)),
            restarts=tuple(each for each in [*self._restarts] if each.at >= since),
        )

    def _since(self, first: int) -> Iterator[tuple[int, Bucket]]:
        yield from (each for each in self._ended if each[0] >= first)
        if self._open is not None and self._open.number >= first:
            yield self._open.number, self._open.summary()


class OpenBucket:
    """The 10 s that are not over."""

    __slots__ = ("completed", "enqueued", "failed", "number", "runs", "waits")

    def __init__(self, number: int) -> None:
        self.number = number
        self.enqueued = 0
        self.completed = 0
        self.failed = 0
        self.waits = Histogram()
        self.runs = Histogram()

    def summary(self) -> Bucket:
        """Return what has been counted."""
        return Bucket(
            at=self.number * BUCKET_S,
            enqueued=self.enqueued,
            completed=self.completed,
            failed=self.failed,
            wait_s=summary([self.waits]),
            run_s=summary([self.runs]),
        )


def _placed(buckets: Iterable[tuple[int, Bucket]], offset: float) -> Iterator[Bucket]:
    """Yield buckets with the instants at which they began on the clock of the caller."""
    for _, bucket in buckets:
        yield Bucket(
            at=round(bucket.at + offset, 3),
            enqueued=bucket.enqueued,
            completed=bucket.completed,
            failed=bucket.failed,
            wait_s=bucket.wait_s,
            run_s=bucket.run_s,
        )


def _number(now: float) -> int:
    return int(now // BUCKET_S)
