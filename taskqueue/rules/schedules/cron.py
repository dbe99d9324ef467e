"""Cron expressions: five fields, or six with the seconds first.

Between the fields and daylight saving time the rules of Debian's cron decide, for seconds as well:

- A *time of day* (neither the minutes nor the hours begin with `*`) comes once a day. One that the
  spring skips comes when the clock goes forward, one that the autumn repeats comes the first time.
- A *frequency* (any other expression) follows the real clock: it skips what is skipped and repeats
  what is repeated.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from cronsim.cronsim import Field

MAX_LENGTH = 256  # characters
FORM = (
    "five fields (minute hour day month weekday), six with the seconds first, or one of "
    "@hourly, @daily, @weekly, @monthly, @yearly"
)

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MINUTE_S = 60
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)


class _Fields(NamedTuple):
    seconds: Sequence[int]
    minutes_on: str  # the other five fields
    is_time_of_day: bool


def zone_of(name: str) -> tzinfo:
    """Return the time zone of this name, as `Europe/Berlin`.

    Raises:
        ValueError: there is none.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except Exception as error:  # it is looked up as a file: any name may meet any error of those
        raise ValueError(
            f"there is no time zone {name!r}; expected a name such as Europe/Berlin"
        ) from error


def require_cron(expression: str) -> None:
    """Make sure that an expression can be read, and ever comes.

    Raises:
        ValueError: it cannot, or it names a day that does not exist.
    """
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"has more than {MAX_LENGTH} characters")
    try:
        _parsed(expression)
    except (CronSimError, ValueError, AssertionError) as error:
        raise ValueError(
            f"{str(error) or 'Bad field'} in {expression!r}; expected {FORM}"
        ) from error
    if next(cron_slots(expression, UTC, 0.0), None) is None:
        raise ValueError(f"{expression!r} never comes")


def cron_slots(expression: str, zone: tzinfo, after: float) -> Iterator[float]:
    """Return the slots of an expression after an instant, earliest first, each a whole second.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        fields = _parsed(expression)
    except CronSimError as error:
        raise ValueError(f"{error} in {expression!r}") from error
    if fields.is_time_of_day:
        return _times_of_day(fields, zone, after)
    sim = CronSim(_with_seconds(expression), datetime.fromtimestamp(after, zone))
    return (at.timestamp() for at in sim)


@lru_cache(maxsize=4096)
def cron_in_words(expression: str) -> str:
    """Return what an expression means, in English."""
    return CronSim(_fields_of(expression), _SOME_DAY).explain()


def _times_of_day(fields: _Fields, zone: tzinfo, after: float) -> Iterator[float]:
    # From a minute earlier, because that of `after` may have seconds left.
    start = datetime.fromtimestamp(after - _MINUTE_S, zone)
    for minute in CronSim(fields.minutes_on, start):
        at = minute.timestamp()
        yield from (at + second for second in fields.seconds if at + second > after)


@lru_cache(maxsize=4096)
def _parsed(expression: str) -> _Fields:
    """Return the fields of an expression.

    Raises:
        CronSimError: it has none.
    """
    seconds, *others = _with_seconds(expression).split()
    minutes_on = " ".join(others)
    CronSim(f"{seconds} {minutes_on}", _SOME_DAY)  # so that every field is checked
    on = sorted(cast("set[int]", Field.SECOND.parse(seconds.upper())))
    minute, hour = others[:2]
    return _Fields(on, minutes_on, not minute.startswith("*") and not hour.startswith("*"))


def _with_seconds(expression: str) -> str:
    fields = _fields_of(expression)
    return fields if len(fields.split()) == len(Field) else f"0 {fields}"


def _fields_of(expression: str) -> str:
    return _NAMED.get(expression.strip().lower(), expression)
