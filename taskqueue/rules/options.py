"""Where, when and how often a task runs: the choices beside its data."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from math import nextafter
from typing import Any, TypeVar

import msgspec

from taskqueue.errors import Fault
from taskqueue.foreign import conversion as plain
from taskqueue.rules.names import KEY_RULE, NAME_RULE, is_key, is_name
from taskqueue.rules.tasks import DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE
from taskqueue.rules.uniqueness import CHANGING, KeyEnd, OnRepeat, Scope, Until
from taskqueue.structs import Struct

MAX_PRIORITY = 255  # a search for due tasks walks through all that are in use
MAX_ATTEMPTS = 32_767
MAX_UNIQUE_BY = 16
MAX_DELAY_S = 100 * 365 * 86_400.0
YEAR_10000_AT = 253_402_300_800.0  # no instant from here on can be written as a date
LATEST_RULE = "needs on_repeat with replace or postpone beside it"
LAST_AT = nextafter(YEAR_10000_AT, 0.0)


class Options(Struct):
    """The choices for one task; None leaves what its action was registered with."""

    queue: str | None = None
    priority: int | None = None  # 0 is first
    max_attempts: int | None = None
    delay_s: float | None = None  # seconds from the enqueue
    run_at: float | None = None  # not before this instant
    unique_key: str | None = None  # at most one task holds it
    unique_by: Sequence[str] | None = None  # the fields of the data that make the key
    unique_scope: str | None = None  # among which tasks the key is unique: a `Scope`
    unique_until: Until | None = None  # how long the task holds its key
    on_repeat: str | None = None  # what an enqueue does whose key is held: an `OnRepeat`
    latest_s: float | None = None  # by how much repeats can postpone the first enqueue
    expires_s: float | None = (
        None  # it is cancelled if it has not started so long after its enqueue
    )
    expires_at: float | None = None  # likewise, at this instant
    group: str | None = None  # the group whose member it is

    def over(self, base: "Options") -> "Options":
        """Return `base` with every choice made here in its place.

        >>> Options(priority=1).over(Options(queue="mail", priority=7)).chosen()
        {'queue': 'mail', 'priority': 1}
        """
        return msgspec.structs.replace(base, **self.chosen())

    def run_at_from(self, now: float) -> float | None:
        """Return the instant before which a task that is enqueued at `now` is not run."""
        return self.run_at if self.delay_s is None else now + self.delay_s

    def expires_at_from(self, now: float, usual_s: float | None) -> float | None:
        """Return when a task expires that is enqueued at `now`; its action says `usual_s`."""
        if self.expires_at is not None:
            return self.expires_at
        expires_s = usual_s if self.expires_s is None else self.expires_s
        return None if expires_s is None else now + expires_s

    def chosen(self) -> dict[str, Any]:
        """Return the choices that were made, by name."""
        return {k: v for k, v in msgspec.structs.asdict(self).items() if v is not None}

    def fingerprint(self, payload: str, *nonces: str | None) -> str:
        """Return what tells this call from all others under its key.

        Made of what was said, before it met the clock and the options of the action: the same call
        has the same fingerprint later, and after those have changed. When it expires does not
        count, because a client may have made an instant of the seconds that its action names.
        """
        chosen = {k: v for k, v in self.chosen().items() if not k.startswith("expires_")}
        said = msgspec.json.encode((payload, chosen, *filter(None, nonces)), order="sorted")
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
        if self.group is not None and not is_name(self.group):
            yield Fault("group", NAME_RULE)
        yield from _key_faults(self)
        yield from _expiry_faults(self)


def _expiry_faults(options: Options) -> Iterator[Fault]:
    if options.expires_s is not None and not is_duration(options.expires_s):
        yield Fault("expires_s", "must be a number of seconds above 0, at most 100 years")
    if options.expires_at is not None and not _is_number(options.expires_at, YEAR_10000_AT):
        yield Fault("expires_at", "must be seconds since 1970 (UTC), before the year 10000")
    if options.expires_s is not None and options.expires_at is not None:
        yield Fault("expires_at", "stands beside expires_s; give one of them")


def _key_faults(options: Options) -> Iterator[Fault]:
    if options.unique_by is not None and not _are_names(options.unique_by):
        yield Fault("unique_by", f"must be 1 to {MAX_UNIQUE_BY} names of fields of the data")
    if options.unique_by is not None and options.unique_key is not None:
        yield Fault("unique_by", "stands beside unique_key; give one of them")
    if options.unique_scope is not None and not _is_one_of(options.unique_scope, Scope):
        yield Fault("unique_scope", f"must be one of {', '.join(Scope)}")
    if options.unique_until is not None and not _is_until(options.unique_until):
        yield Fault("unique_until", f"must be one of {', '.join(KeyEnd)}, or a number of seconds")
    if options.on_repeat is not None and not _is_one_of(options.on_repeat, OnRepeat):
        yield Fault("on_repeat", f"must be one of {', '.join(OnRepeat)}")
    if options.latest_s is not None and not is_duration(options.latest_s):
        yield Fault("latest_s", "must be a number of seconds above 0, at most 100 years")


NO_CHOICE = Options()


class Defaults(Struct):
    """The options that an action was registered with: the defaults of its tasks."""

    queue: str = DEFAULT_QUEUE
    priority: int = 0
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    unique_by: Sequence[str] | None = None
    unique_scope: str | None = None
    unique_until: Until | None = None
    on_repeat: str | None = None
    latest_s: float | None = None
    expires_s: float | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong, each under the option's name."""
        yield from Options(**msgspec.structs.asdict(self)).faults()
        if self.latest_s is not None and self.on_repeat not in tuple(CHANGING):
            yield Fault("latest_s", LATEST_RULE)


C = TypeVar("C", Options, Defaults)


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError("must be names")  # noqa: TRY004  as all converters do
    return tuple(map(plain.text, value))


def _until(value: object) -> Until:
    return plain.text(value) if isinstance(value, str) else plain.number(value)


_BUILT_IN = frozenset({int, float, str, type(None)})
_CONVERTERS: Mapping[str, Callable[[object], object]] = {
    "queue": plain.text,
    "priority": plain.integer,
    "max_attempts": plain.integer,
    "delay_s": plain.number,
    "run_at": plain.number,
    "unique_key": plain.text,
    "unique_by": _names,
    "unique_scope": plain.text,
    "unique_until": _until,
    "on_repeat": plain.text,
    "latest_s": plain.number,
    "expires_s": plain.number,
    "expires_at": plain.number,
    "group": plain.text,
}


def as_built_in(choices: C) -> C:
    """Return the same choices as values of built-in types, whatever types user code has chosen.

    What cannot be converted stays, for `faults` to name.
    """
    if choices is NO_CHOICE:
        return choices
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


def _are_names(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and 0 < len(value) <= MAX_UNIQUE_BY
        and all(isinstance(name, str) for name in value)
    )


def _is_until(value: object) -> bool:
    return _is_one_of(value, KeyEnd) if isinstance(value, str) else is_duration(value)


def _is_one_of(value: object, words: Iterable[str]) -> bool:
    return isinstance(value, str) and value in set(words)


def _is_integer(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object, below: float) -> bool:
    # NaN compares false with everything, so the range refuses it too.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < below
