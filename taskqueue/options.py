"""Where, when and how often a task runs: the choices beside its data."""

from collections.abc import Iterator
from math import isfinite

import msgspec

from taskqueue.errors import Fault
from taskqueue.tasks import Word

MAX_PRIORITY = 32_767
MAX_ATTEMPTS = 32_767
MAX_NAME = 128
YEAR_10000_AT = 253_402_300_800.0  # no instant from here on can be written as a date


class Options(Word):
    """The choices for one task; None leaves what its action was registered with."""

    queue: str | None = None
    priority: int | None = None  # 0 is first
    max_attempts: int | None = None
    delay_s: float | None = None  # seconds from the enqueue
    run_at: float | None = None  # not before this instant

    def over(self, base: "Options") -> "Options":
        """Return `base` with every choice made here in its place.

        >>> Options(priority=1).over(Options(queue="mail", priority=7))
        Options(queue='mail', priority=1, max_attempts=None, delay_s=None, run_at=None)
        """
        if self == _NONE:
            return base
        chosen = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(base, **chosen)

    def starts_at(self, now: float) -> float | None:
        """Return the instant before which the task must not run; None: it may at once."""
        return self.run_at if self.delay_s is None else now + self.delay_s

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong, each under the option's name."""
        if self.queue is not None and not is_name(self.queue):
            yield Fault("queue", NAME_RULE)
        if self.priority is not None and not _is_integer(self.priority, 0, MAX_PRIORITY):
            yield Fault("priority", f"must be a whole number from 0 to {MAX_PRIORITY}")
        if self.max_attempts is not None and not _is_integer(self.max_attempts, 1, MAX_ATTEMPTS):
            yield Fault("max_attempts", f"must be a whole number from 1 to {MAX_ATTEMPTS}")
        if self.delay_s is not None and not _is_number(self.delay_s):
            yield Fault("delay_s", "must be a number of seconds, 0 or more, that ends before the year 10000")
        if self.run_at is not None and not _is_number(self.run_at):
            yield Fault("run_at", "must be seconds since 1970 (UTC), before the year 10000")
        if self.delay_s is not None and self.run_at is not None:
            yield Fault("run_at", "stands beside delay_s; give one of them")


_NONE = Options()

NAME_RULE = f"must be 1 to {MAX_NAME} printable characters"


def is_name(value: object) -> bool:
    """Tell whether `value` can name an action or a queue.

    >>> is_name("resize"), is_name(""), is_name("two\\nlines")
    (True, False, False)
    """
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()


def is_positive(value: object) -> bool:
    """Tell whether `value` is a finite number above 0. A bool is none."""
    return _is_number(value) and value != 0


def _is_integer(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
        and 0 <= value < YEAR_10000_AT
    )
