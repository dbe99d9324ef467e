"""Where, when and how often a task runs: the choices beside its data."""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from math import nextafter
from typing import Any, TypeVar

import msgspec

from taskqueue.errors import Fault
from taskqueue.foreign import conversion as plain
from taskqueue.rules.names import KEY_RULE, NAME_RULE, is_key, is_name
from taskqueue.rules.tasks import DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE
from taskqueue.structs import Struct

MAX_PRIORITY = 255  # a search for due tasks walks through all that are in use
MAX_ATTEMPTS = 32_767
MAX_DELAY_S = 100 * 365 * 86_400.0
YEAR_10000_AT = 253_402_300_800.0  # no instant from here on can be written as a date
LAST_AT = nextafter(YEAR_10000_AT, 0.0)


class Options(Struct):
    """The choices for one task; None leaves what its action was registered with."""

    queue: str | None = None
    priority: int | None = None  # 0 is first
    max_attempts: int | None = None
    delay_s: float | None = None  # seconds from the enqueue
    run_at: float | None = None  # not before this instant
    unique_key: str | None = None  # at most one task has it

    def over(self, base: "Options") -> "Options":
        """Return `base` with every choice made here in its place.

        >>> Options(priority=1).over(Options(queue="mail", priority=7)).chosen()
        {'queue': 'mail', 'priority': 1}
        """
        return msgspec.structs.replace(base, **self.chosen())

    def run_at_from(self, now: float) -> float | None:
        """Return the instant before which a task that is enqueued at `now` is not run."""
        return self.run_at if self.delay_s is None else now + self.delay_s

    def chosen(self) -> dict[str, Any]:
        """Return the choices that were made, by name."""
        return {k: v for k, v in msgspec.structs.asdict(self).items() if v is not None}

    def fingerprint(self, payload: str) -> str | None:
        """Return what tells this call from all others under its key, None if it has no key.

        Made of what was said, before it met the clock and the options of the action: the same call
        has the same fingerprint later, and after those have changed.
        """
        if self.unique_key is None:
            return None
        said = msgspec.json.encode((payload, self.chosen()), order="sorted")
        return sha256(said).hexdigest()

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong, each under the option's name."""
        if self.queue is not None and not is_name(self.queue):
            yield Fault("queue", NAME_RULE)
        if self.priority is not None and not _is_integer(self.priority, 0, MAX_PRIORITY):
            yield Fault("priority", f"must be a whole number from 0 to {MAX_PRIORITY}")
        if self.max_attempts is not None and not _is_integer(self.max_attempts, 1, MAX_ATTEMPTS):
            yield Fault("max_attempts", f"must be a whole number from 1 to {MAX_ATTEMPTS}")
        if self.delay_s is not None and not _is_number(self.delay_s, MAX_DELAY_S):
            yield Fault("delay_s", "must be a number of seconds, from 0 to 100 years")
        if self.run_at is not None and not _is_number(self.run_at, YEAR_10000_AT):
            yield Fault("run_at", "must be seconds since 1970 (UTC), before the year 10000")
        if self.delay_s is not None and self.run_at is not None:
            yield Fault("run_at", "stands beside delay_s; give one of them")
        if self.unique_key is not None and not is_key(self.unique_key):
            yield Fault("unique_key", KEY_RULE)


NO_CHOICE = Options()


class Defaults(Struct):
    """The options that an action was registered with: the defaults of its tasks."""

    queue: str = DEFAULT_QUEUE
    priority: int = 0
    max_attempts: int = DEFAULT_MAX_ATTEMPTS

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong, each under the option's name."""
        return Options(**msgspec.structs.asdict(self)).faults()


C = TypeVar("C", Options, Defaults)

_BUILT_IN = frozenset({int, float, str, type(None)})
_CONVERTERS: Mapping[str, Callable[[object], object]] = {
    "queue": plain.text,
    "priority": plain.integer,
    "max_attempts": plain.integer,
    "delay_s": plain.number,
    "run_at": plain.number,
    "unique_key": plain.text,
}


def as_built_in(choices: C) -> C:
    """Return the same choices as values of built-in types, whatever types user code has chosen.

    What cannot be converted stays, for `faults` to name.
    """
    values = msgspec.structs.asdict(choices)
    other = {name: value for name, value in values.items() if type(value) not in _BUILT_IN}
    if not other:
        return choices
    converted = {name: converted_by(_CONVERTERS[name], value) for name, value in other.items()}
    return msgspec.structs.replace(choices, **converted)


def converted_by(convert: Callable[[object], object], value: object) -> Any:
    """Return `value` converted, or as it is if that cannot be."""
    try:
        return convert(value)
    except ValueError:
        return value


def is_duration(value: object) -> bool:
    """Tell whether `value` is a usable limit in seconds: a number above 0, at most 100 years."""
    return _is_number(value, MAX_DELAY_S) and value != 0


def _is_integer(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object, below: float) -> bool:
    # NaN compares false with everything, so the range refuses it too.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < below
