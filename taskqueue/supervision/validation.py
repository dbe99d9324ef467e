"""Checks flags and specifications in OTP's order; the first fault is raised.

Specifications and flags may be plain mappings with OTP's keys, as they come out of a file:

    {"id": "cache", "start": Cache.start_link, "restart": "transient", "shutdown": 2.5}
    {"id": "feed", "start": Feed.start_link, "backoff": {"initial_s": 0.5, "max_s": 60}}
    {"strategy": "rest_for_one", "intensity": 3, "period": 10}

Durations are in seconds. Unlike in OTP, unknown keys are refused, so a typo is found at once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from taskqueue.supervision.specs import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    Flags,
    Intensity,
    InvalidSpec,
    Restart,
    Strategy,
    check_member,
    word,
)

GivenChild: TypeAlias = ChildSpec | Mapping[str, Any]
GivenFlags: TypeAlias = Flags | Mapping[str, Any]

_CHILD_KEYS: Final = frozenset(ChildSpec.__dataclass_fields__)
_BACKOFF_KEYS: Final = frozenset(Backoff.__dataclass_fields__)
_FLAG_KEYS: Final = frozenset({"strategy", "intensity", "period", "auto_shutdown"})
_DEFAULTS: Final = Flags()


def check_childspecs(specs: Sequence[GivenChild], auto_shutdown: str | None = None) -> None:
    """Check a list of specifications, for a supervisor with this `auto_shutdown` if it is known.

    Raises:
        InvalidSpec: the first fault, or a duplicate id.
    """
    mode = None if auto_shutdown is None else word(AutoShutdown, auto_shutdown)
    if mode is not None and not isinstance(mode, AutoShutdown):
        raise InvalidSpec("badarg", auto_shutdown)
    read_children(specs, mode)


def read_flags(given: GivenFlags, strategies: Collection[Strategy]) -> Flags:
    """Return the flags of a supervisor that supports these strategies.

    Raises:
        InvalidSpec: the first fault, looked for in strategy, intensity, period, auto_shutdown.
    """
    if not isinstance(given, Flags | Mapping):
        raise InvalidSpec("invalid_type", given)
    if isinstance(given, Flags):
        _check_strategy(given.strategy, strategies)
        return given
    _refuse_unknown_keys(given, _FLAG_KEYS)
    strategy = word(Strategy, given.get("strategy", Strategy.ONE_FOR_ONE))
    _check_strategy(strategy, strategies)
    intensity = Intensity(
        max_restarts=given.get("intensity", _DEFAULTS.intensity.max_restarts),
        period_s=given.get("period", _DEFAULTS.intensity.period_s),
    )
    auto_shutdown = word(AutoShutdown, given.get("auto_shutdown", _DEFAULTS.auto_shutdown))
    return Flags(strategy=strategy, intensity=intensity, auto_shutdown=auto_shutdown)


def _check_strategy(strategy: object, known: Collection[Strategy]) -> None:
    if strategy not in known:
        raise InvalidSpec("invalid_strategy", strategy)


def read_children(
    given: Sequence[GivenChild], auto_shutdown: AutoShutdown | None
) -> tuple[ChildSpec, ...]:
    """Return a whole list of specifications, so that nothing is started before all are valid.

    Raises:
        InvalidSpec: the first fault, a duplicate id, or one that is required by a
            child before it.
    """
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise InvalidSpec("badarg", given)
    children: dict[str, ChildSpec] = {}
    for each in given:
        spec = read_child(each, auto_shutdown)
        if spec.id in children:
            raise InvalidSpec("duplicate_child_name", spec.id)
        children[spec.id] = spec
    before: dict[str, ChildSpec] = {}
    for spec in children.values():
        check_requires(spec, before)
        before[spec.id] = spec
    return tuple(children.values())


def check_requires(spec: ChildSpec, siblings: Mapping[str, ChildSpec]) -> None:
    """Check that all siblings that a child requires start before it.

    Raises:
        InvalidSpec: one is not; or it is one-shot, and has ended before the child is started.
    """
    for each in spec.requires:
        if each not in siblings or siblings[each].one_shot:
            raise InvalidSpec("invalid_requires", {"id": spec.id, "requires": each})


def read_child(given: GivenChild, auto_shutdown: AutoShutdown | None) -> ChildSpec:
    """Return one specification, for a supervisor with this `auto_shutdown` if it is known.

    Raises:
        InvalidSpec: the first fault; or it is significant, which has no effect there.
    """
    try:
        return _read_child(given, auto_shutdown)
    except InvalidSpec:
        raise
    except Exception as error:  # of a value in it, whose code raises when it is looked at
        raise InvalidSpec("invalid_child_spec", given) from error


def _read_child(given: GivenChild, auto_shutdown: AutoShutdown | None) -> ChildSpec:
    if isinstance(given, ChildSpec):
        _check_effect(given.significant, auto_shutdown)
        return given
    if not isinstance(given, Mapping):
        raise InvalidSpec("invalid_child_spec", given)
    for key in ("id", "start"):
        if key not in given:
            raise InvalidSpec(f"missing_{key}")
    _refuse_unknown_keys(given, _CHILD_KEYS)
    restart = word(Restart, given.get("restart", Restart.PERMANENT))
    check_member("invalid_restart_type", Restart, restart)
    _check_effect(given.get("significant"), auto_shutdown)
    requires = given.get("requires", ())
    spelt = {
        "restart": restart,
        "requires": tuple(requires) if isinstance(requires, list) else requires,
    }
    spec = ChildSpec(**{**given, **spelt, "backoff": None})
    return replace(spec, backoff=_read_backoff(given.get("backoff")))


def _read_backoff(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    _refuse_unknown_keys(given, _BACKOFF_KEYS)
    return Backoff(**given)


def _check_effect(significant: object, auto_shutdown: AutoShutdown | None) -> None:
    if significant is True and auto_shutdown == AutoShutdown.NEVER:
        raise InvalidSpec("bad_combination", {"auto_shutdown": "never", "significant": True})


def _refuse_unknown_keys(given: Mapping[str, Any], known: frozenset[str]) -> None:
    for key in given:
        if key not in known:
            raise InvalidSpec("unknown_key", key)
