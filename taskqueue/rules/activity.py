"""What each queue did in the last minutes: attempts that ended, how long they waited and ran.

    ended(queue, …) ─▶ the bucket of these 10 s ─▶ Recent: of 1, 5 and 15 minutes

A bucket holds two counts and two histograms, so a queue costs 128 KiB however many tasks it has,
and nothing once it has been idle for 15 minutes. Pure: `now` is monotonic.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from taskqueue.rules.durations import Durations, Histogram, summary
from taskqueue.rules.service_activity import ServiceActivity
from taskqueue.structs import Struct

BUCKET_S = 10.0
BUCKETS = 90
MINUTES = (1, 5, 15)
MOST_QUEUES = 200
"""How many are counted at a time; those beyond are not."""


class Recent(Struct):
    """A queue's last minutes; `counted_s` of them were counted, up to now."""

    minutes: int
    counted_s: float
    completed_per_min: float
    failed_per_min: float
    wait_s: Durations | None
    """From when tasks could run to when their handlers began; None: no begun attempt has ended."""
    run_s: Durations | None
    """From then to their ends."""


class Activity:
    """The recent activity of all queues; `service` has that of all of them together."""

    def __init__(self) -> None:
        """Begin to count with `begin`."""
        self._began: float | None = None
        self._queues: dict[str, _Ring] = {}
        self._discarded = _Bucket(0)  # counts of queues beyond `MOST_QUEUES`; never read
        self.service = ServiceActivity()

    def begin(self, now: float) -> None:
        """Count from now on; does nothing if it has begun."""
        if self._began is None:
            self._began = now
            self.service.begin(now)

    def ended(
        self,
        queue: str,
        now: float,
        *,
        waited_s: float | None,
        ran_s: float | None,
        completed: int,
        failed: int,
    ) -> None:
        """Count an attempt that has ended.

        Args:
            queue: of its task.
            now: the monotonic clock.
            waited_s: from when the task could run to when its handler began; None if it did not.
            ran_s: from then to its end; None likewise.
            completed: 1 if it has completed the task, else 0.
            failed: 1 if it has failed, retried or not, else 0.
        """
        ring = self._queues.get(queue) or self._new(queue, now)
        bucket = self._discarded if ring is None else ring.current(now)
        of_all = self.service.current(now)
        bucket.completed += completed
        of_all.completed += completed
        bucket.failed += failed
        of_all.failed += failed
        if waited_s is not None:
            bucket.waits.add(waited_s, of_all.waits)
        if ran_s is not None:
            bucket.runs.add(ran_s, of_all.runs)

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

    __slots__ = ("completed", "failed", "number", "runs", "waits")

    def __init__(self, number: int) -> None:
        self.number = number
        self.completed = 0
        self.failed = 0
        self.waits = Histogram()
        self.runs = Histogram()


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
        number = now // BUCKET_S
        buckets = self.buckets
        if not buckets or buckets[-1].number != number:
            buckets.append(_Bucket(int(number)))
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
        wait_s=summary([each.waits for each in buckets]),
        run_s=summary([each.runs for each in buckets]),
    )


def _number(now: float) -> int:
    return int(now // BUCKET_S)
