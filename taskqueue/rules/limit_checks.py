"""What a limit may say: the faults of its values, its name, a key and a cost. Pure."""

from collections.abc import Iterator

from taskqueue.errors import Fault
from taskqueue.foreign import conversion as plain
from taskqueue.rules.limits import LimitValues
from taskqueue.rules.names import MAX_NAME, is_name
from taskqueue.rules.options import is_duration

MOST = 1_000_000_000
"""The largest number of slots, of starts, of a burst, and the largest cost."""

LIMIT_NAME_RULE = f"must be 1 to {MAX_NAME} printable characters without a slash"
RUNNING_RULE = f"must be a whole number from 1 to {MOST:,}"
STARTS_RULE = f"must be a number above 0, up to {MOST:,}"
PER_S_RULE = "must be a number of seconds above 0"
BURST_RULE = f"must be a number from 1 to {MOST:,}"
COST_RULE = STARTS_RULE


def is_limit_name(value: object) -> bool:
    """Tell whether `value` can name a limit. A slash would end the name in a gate."""
    return is_name(value) and "/" not in str(value)


def is_cost(value: object) -> bool:
    """Tell whether a start can cost so much."""
    return _is_number(value) and 0 < value <= MOST  # type: ignore[operator]  # it is a number


def spent(cost: object) -> float:
    """Return what an attempt has cost, as a built-in number; a negative one is given back.

    Raises:
        ValueError: it is no number, or too large.
    """
    number = plain.number(cost)
    if not -MOST <= number <= MOST:
        raise ValueError(f"cost must be a number from -{MOST:,} to {MOST:,}, not {number}")
    return number


def value_faults(
    *, running: object, starts: object, per_s: object, burst: object
) -> Iterator[Fault]:
    """Yield what is wrong with the values of a limit; None is a value that is not given."""
    if running is None and starts is None:
        yield Fault("running", "is missing; give running, starts, or both")
    if running is not None and not (isinstance(running, int) and is_cost(running)):
        yield Fault("running", RUNNING_RULE)
    if starts is not None and not is_cost(starts):
        yield Fault("starts", STARTS_RULE)
    if per_s is not None and not is_duration(per_s):
        yield Fault("per_s", PER_S_RULE)
    if burst is not None and not (is_cost(burst) and burst >= 1):  # type: ignore[operator]
        yield Fault("burst", BURST_RULE)
    for name, value in (("per_s", per_s), ("burst", burst)):
        if value is not None and starts is None:
            yield Fault(name, "needs starts beside it")


def values_of(
    *, running: int | None, starts: float | None, per_s: float | None, burst: float | None
) -> LimitValues:
    """Return the values of a limit that has no faults."""
    usual = LimitValues()
    return LimitValues(
        running=running,
        starts=starts,
        per_s=usual.per_s if per_s is None else per_s,
        burst=usual.burst if burst is None else burst,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
