"""Supervisor flags and child specifications.

Source: OTP `supervisor`, "Supervisor flags" and "Child specification". Durations are in seconds
here; `math.inf` is OTP's `infinity`.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Any, Final, Literal, Self, TypeAlias, TypeGuard, TypeVar

from taskqueue.foreign import rendering
from taskqueue.runtime import ActorRef

E = TypeVar("E", bound=Enum)


class Strategy(StrEnum):
    """Which children are restarted together with one."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"  # many instances of one specification


# Each of these may also be given as a plain string: `restart="transient"`.


class Restart(StrEnum):
    """When a child is restarted: always, after an abnormal exit, never."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class ChildType(StrEnum):
    """The declared type of a child: sets the default of `shutdown` and how it is counted."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"


class AutoShutdown(StrEnum):
    """Whether the supervisor stops when significant children have ended by themselves."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


BRUTAL_KILL: Final = "brutal_kill"
ShutdownLimit: TypeAlias = float | Literal["brutal_kill"]


@dataclass(frozen=True, slots=True)
class Started:
    """A reference with extra information, which a start function may return."""

    ref: ActorRef
    info: object


StartFunction: TypeAlias = Callable[..., Awaitable[ActorRef | Started]]


class InvalidSpec(ValueError):
    """A specification is invalid; `tag` is OTP's term for the fault, `value` the invalid value.

    When a supervisor starts, the tag is `supervisor_data` or `start_spec`, and the value is the
    `InvalidSpec` of the fault.
    """

    def __init__(self, tag: str, value: object = None) -> None:
        self.tag = tag
        self.value = value
        shown = str(value) if type(value) is InvalidSpec else rendering.shown(value, most=1000)
        super().__init__(tag if value is None else f"{tag}: {shown}")


# The types are checked at run time as well: without a type checker, a misspelt value would only
# show at the first crash.


def word(kind: type[E], value: Any) -> Any:
    """Return the member that `value` spells; anything else unchanged, to be refused later."""
    try:
        return kind(value)
    except ValueError:
        return value


def check_member(tag: str, kind: type, value: object) -> None:
    """Raise `InvalidSpec` with this tag unless `value` is of this kind."""
    if not isinstance(value, kind):
        raise InvalidSpec(tag, value)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _are_ids(value: object) -> bool:
    return isinstance(value, tuple) and all(_is_id(each) for each in value)


def _is_whole(value: object, *, at_least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_start_limit(value: object) -> bool:
    return _is_number(value) and 0 < value < math.inf


def _is_shutdown_limit(value: object) -> bool:
    return value >= 0 if _is_number(value) else value == BRUTAL_KILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long a supervisor waits before it restarts a child. Beyond OTP.

    Args:
        initial_s: the first wait, in seconds.
        max_s: the longest wait, without jitter.
        factor: ratio of each wait to the one before.
        jitter: maximum random addition, as a fraction of the wait, so that children which ended
            together are not restarted together.
        stable_s: once the child has run this long, the next wait is `initial_s` again.

    Raises:
        InvalidSpec: a value is invalid (`invalid_backoff`).
    """

    initial_s: float = 1.0
    max_s: float = 30.0
    factor: float = 2.0
    jitter: float = 0.1
    stable_s: float = 60.0

    def __post_init__(self) -> None:
        self._check("initial_s", lambda initial_s: 0 < initial_s < math.inf)
        self._check("max_s", lambda max_s: self.initial_s <= max_s < math.inf)
        self._check("factor", lambda factor: 1 <= factor < math.inf)
        self._check("jitter", lambda jitter: 0 <= jitter <= 1)
        self._check("stable_s", lambda stable_s: stable_s >= 0)

    def _check(self, name: str, is_legal: Callable[[float], bool]) -> None:
        value = getattr(self, name)
        if not (_is_number(value) and is_legal(value)):
            raise InvalidSpec("invalid_backoff", {name: value})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How one child is started, restarted and stopped.

    Args:
        id: unique in its supervisor.
        start: called in the supervisor; starts an actor and returns it. The actor is linked, by
            `Actor.start_link` or else by the supervisor. It may raise `Ignore`, or any exception to
            fail. It takes no arguments, except that of a `SimpleOneForOne`, which takes those that
            an instance is started with.
        restart: when it is restarted.
        shutdown: how long it may take to stop, in seconds, before it is killed; `math.inf` for no
            limit; `BRUTAL_KILL` to kill it at once. Default: 5 s, for a supervisor `math.inf`,
            because the children of a killed supervisor end only by their links.
        type: worker or supervisor.
        significant: counts for `AutoShutdown`.
        one_shot: the supervisor's start waits until this child has ended, before it starts the
            next. Beyond OTP: after an abnormal exit it is restarted within the intensity, even
            during the start. It must be neither permanent nor significant.
        requires: ids of siblings before it; it is started only while all of them run. Not together
            with `one_shot`: the supervisor's start does not wait for siblings.
        start_timeout_s: how long its start function may take, in seconds, before it is cancelled
            and the actors it has started are killed; None: no limit. The start has then failed with
            `Crash(StartTimeout)`.
        backoff: delays restarts; None: no delay. See `Backoff`.

    Raises:
        InvalidSpec: a value is invalid; the first one, in OTP's order.
    """

    id: str
    start: StartFunction
    restart: Restart = Restart.PERMANENT
    shutdown: ShutdownLimit | None = None
    type: ChildType = ChildType.WORKER
    significant: bool = False
    one_shot: bool = False
    requires: tuple[str, ...] = ()
    start_timeout_s: float | None = None
    backoff: Backoff | None = None

    def __post_init__(self) -> None:
        if not _is_id(self.id):
            raise InvalidSpec("missing_id", self.id)
        if not callable(self.start):
            raise InvalidSpec("invalid_mfa", self.start)
        object.__setattr__(self, "restart", word(Restart, self.restart))
        object.__setattr__(self, "type", word(ChildType, self.type))
        check_member("invalid_restart_type", Restart, self.restart)
        check_member("invalid_significant", bool, self.significant)
        if self.significant and self.restart == Restart.PERMANENT:
            raise InvalidSpec("bad_combination", {"restart": "permanent", "significant": True})
        check_member("invalid_one_shot", bool, self.one_shot)
        if self.one_shot and (self.significant or self.restart == Restart.PERMANENT):
            found = {"restart": str(self.restart), "significant": self.significant}
            raise InvalidSpec("bad_combination", {"one_shot": True} | found)
        check_member("invalid_child_type", ChildType, self.type)
        if not (self.shutdown is None or _is_shutdown_limit(self.shutdown)):
            raise InvalidSpec("invalid_shutdown", self.shutdown)
        if not _are_ids(self.requires) or self.id in self.requires:
            raise InvalidSpec("invalid_requires", self.requires)
        if self.requires and self.one_shot:
            raise InvalidSpec("bad_combination", {"one_shot": True, "requires": self.requires})
        if not (self.start_timeout_s is None or _is_start_limit(self.start_timeout_s)):
            raise InvalidSpec("invalid_start_timeout", self.start_timeout_s)
        if self.backoff is not None:
            check_member("invalid_backoff", Backoff, self.backoff)

    @property
    def shutdown_limit(self) -> ShutdownLimit:
        """The effective shutdown limit."""
        if self.shutdown is not None:
            return self.shutdown
        return math.inf if self.type == ChildType.SUPERVISOR else 5.0

    def complete(self) -> Self:
        """Return the specification with its effective shutdown limit."""
        return replace(self, shutdown=self.shutdown_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """The number of restarts within a period above which a supervisor gives up.

    Raises:
        InvalidSpec: the period is not in whole seconds, or a number is too small.
    """

    max_restarts: int = 1
    period_s: int = 5

    def __post_init__(self) -> None:
        if not _is_whole(self.max_restarts, at_least=0):
            raise InvalidSpec("invalid_intensity", self.max_restarts)
        if not _is_whole(self.period_s, at_least=1):
            raise InvalidSpec("invalid_period", self.period_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The flags of a supervisor.

    Raises:
        InvalidSpec: a value is invalid.
    """

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = Intensity()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategy", word(Strategy, self.strategy))
        object.__setattr__(self, "auto_shutdown", word(AutoShutdown, self.auto_shutdown))
        check_member("invalid_strategy", Strategy, self.strategy)
        check_member("invalid_intensity", Intensity, self.intensity)
        check_member("invalid_auto_shutdown", AutoShutdown, self.auto_shutdown)
