"""The timing of a schedule: a cron expression in a time zone, or an interval.

A slot is an instant at which a schedule is due: always a whole second, in UTC epoch seconds. The
slots of an interval are the multiples of it since 1970 (UTC), so that a restart does not move them.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count, islice, takewhile

from taskqueue.errors import Fault
from taskqueue.rules.schedules.cron import cron_in_words, cron_slots, require_cron, zone_of
from taskqueue.structs import Struct

MAX_EVERY_S = 366 * 86_400
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


class Timing(Struct):
    """Either `cron` or `every_s`; instants are shown in `timezone`, too."""

    cron: str | None = None
    every_s: int | None = None
    timezone: str = "UTC"

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong."""
        if (self.cron is None) == (self.every_s is None):
            yield Fault("cron", "give either cron or every_s")
        if self.cron is not None:
            yield from _faults_of("cron", require_cron, self.cron)
        yield from _faults_of("timezone", zone_of, self.timezone)
        if self.every_s is not None and not _is_interval(self.every_s):
            yield Fault("every_s", f"must be whole seconds, from 1 to {MAX_EVERY_S}")

    def slots(self, after: float) -> Iterator[float]:
        """Yield the slots after an instant, earliest first."""
        if self.cron is not None:
            return cron_slots(self.cron, zone_of(self.timezone), after)
        every_s = self.every_s or MAX_EVERY_S
        return (float(nth * every_s) for nth in count(int(after // every_s) + 1))

    def between(self, after: float, until: float, *, limit: int) -> tuple[float, ...]:
        """Return the first `limit` slots after an instant and up to another."""
        due = takewhile(lambda slot: slot <= until, self.slots(after))
        return tuple(islice(due, limit))

    def last(self, after: float, until: float) -> float | None:
        """Return the last slot after an instant and up to another; None if there is none."""
        found = None
        lookback_s = 60.0
        while found is None:
            # At first only a little, because a long outage may have thousands of them.
            since = max(after, until - lookback_s)
            for slot in takewhile(lambda slot: slot <= until, self.slots(since)):
                found = slot
            if since == after:
                break
            lookback_s *= 4
        return found

    @property
    def in_words(self) -> str:
        """What it means, in English."""
        if self.cron is not None:
            return f"{cron_in_words(self.cron)} ({self.timezone})"
        return f"Every {_interval_in_words(self.every_s or 0)}"


@lru_cache(maxsize=8192)
def next_slot(timing: Timing, after: float) -> float | None:
    """Return the first slot after an instant; None if there is none in 50 years.

    >>> next_slot(Timing(every_s=300), 1.0), next_slot(Timing(every_s=300), 300.0)
    (300.0, 600.0)
    """
    return next(timing.slots(after), None)


def _faults_of(field: str, require: Callable[[str], object], value: str) -> Iterator[Fault]:
    try:
        require(value)
    except ValueError as error:
        yield Fault(field, str(error))


def _is_interval(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_EVERY_S


def _interval_in_words(seconds: int) -> str:
    """Return an interval in its units.

    >>> _interval_in_words(60), _interval_in_words(5400)
    ('minute', '1 hour 30 minutes')
    """
    parts = []
    for unit, size in _UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append((number, unit))
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    return " ".join(f"{number} {unit}{'s' * (number > 1)}" for number, unit in parts)
