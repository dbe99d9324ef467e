"""The samples of schedules: what was decided for their slots, and how late they are. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from taskqueue.http.metrics import names
from taskqueue.rules.measures import OTHER
from taskqueue.rules.schedules.deciding import lag_s
from taskqueue.rules.schedules.values import Schedule

MOST = 100
"""Schedules with a label of their own, in the order of their names; all others share one."""


def schedule_samples(
    schedules: Sequence[Schedule], *, now: float
) -> Iterator[tuple[names.Metric, tuple[str, ...], float]]:
    """Yield a metric, its labels and its value, for each sample."""
    for schedule in islice(schedules, MOST):
        yield from _samples(schedule.name, [schedule], now=now)
    if others := schedules[MOST:]:
        yield from _samples(OTHER, others, now=now)


def _samples(
    label: str, schedules: Iterable[Schedule], *, now: float
) -> Iterator[tuple[names.Metric, tuple[str, ...], float]]:
    slots: Counter[str] = Counter()
    late_s = 0.0
    for each in schedules:
        slots.update(fired=each.fired, skipped=each.skipped, missed=each.missed)
        late_s = max(late_s, lag_s(each, now=now))
    for outcome, count in slots.items():
        yield names.SCHEDULE_SLOTS, (label, outcome), count
    yield names.SCHEDULE_LAG, (label,), late_s
