"""Actions with rules about retries, on every executor, and what each must come to."""

from collections.abc import Mapping
from typing import Any

from taskqueue import App, Retries, Retry
from taskqueue.executors.outcome import Outcome
from taskqueue.rules.tasks import Failed, Rejected

ATTEMPT = 3


class Timeout(ConnectionError):
    """A subclass, as libraries raise."""


def _by_status(error: BaseException, attempt: int) -> float | None:
    return None if isinstance(error, ValueError) else 10.0 * attempt


def _broken(error: BaseException, attempt: int) -> float:
    raise RuntimeError("rule")


ERRORS: Mapping[str, BaseException] = {
    "value": ValueError("bad"),
    "connection": ConnectionError("gone"),
    "timeout": Timeout("late"),
    "retry": Retry(7),
}

RULES: Mapping[str, Retries] = {
    "usual": Retries(),
    "never": Retries(never_on=(ValueError, TypeError)),
    "never_one": Retries(never_on=ConnectionError),
    "only": Retries(only_on=(ConnectionError,)),
    "only_but": Retries(only_on=ConnectionError, never_on=Timeout),
    "wait": Retries(wait_s=_by_status),
    "wait_and_never": Retries(wait_s=_by_status, never_on=Timeout),
    "backoff": Retries(initial_s=5, factor=3, max_s=60),
    "wait_negative": Retries(wait_s=lambda error, attempt: -1.0),
    "wait_broken": Retries(wait_s=_broken),
}

_LINES = {"value": "ValueError: bad", "connection": "ConnectionError: gone"}
_LINES["timeout"] = f"{Timeout.__module__}.{Timeout.__qualname__}: late"

_DEAD = {
    ("never", "value"),
    ("never_one", "connection"),
    ("never_one", "timeout"),
    ("only", "value"),
    ("only_but", "value"),
    ("wait_and_never", "timeout"),
    ("only_but", "timeout"),
}
_NEGATIVE = "ValueError: wait_s must be a number of seconds, from 0 to 100 years, not -1.0"
_WAITS = {"wait", "wait_and_never"}
_FAULTS = {"wait_negative": _NEGATIVE, "wait_broken": "RuntimeError: rule"}

KINDS = ("async", "thread", "process", "async_process")

app = App()


def _register(rule: str, kind: str) -> None:
    executor: Any = "process" if kind.endswith("process") else None

    if kind.startswith("async"):

        @app.task(f"{rule}/{kind}", executor=executor, retries=RULES[rule])
        async def fail_later(error: str) -> None:
            raise ERRORS[error]

    else:

        @app.task(f"{rule}/{kind}", executor=executor, retries=RULES[rule])
        def fail(error: str) -> None:
            raise ERRORS[error]


for _rule in RULES:
    for _kind in KINDS:
        _register(_rule, _kind)


def expected(rule: str, error: str) -> Outcome:
    """Return what an attempt comes to, without its traceback."""
    if error == "retry":  # a verdict goes first
        return Failed(error="asked for a retry", retry_in_s=7.0)
    line = _LINES[error]
    if (rule, error) in _DEAD:
        return Rejected(reason=f"not retried: {line}")
    if rule in _FAULTS:
        return Failed(error=f"{line} (its rule about retries failed: {_FAULTS[rule]})")
    waits = rule in _WAITS and error != "value"
    return Failed(error=line, retry_in_s=10.0 * ATTEMPT if waits else None)


def wait_s(rule: str, error: str) -> float | None:
    """Return how long a task waits after its first attempt, without jitter; None: it is dead."""
    if error == "retry":
        return 7.0
    if (rule, error) in _DEAD:
        return None
    if rule in _WAITS and error != "value":
        return 10.0
    return 5.0 if rule == "backoff" else 1.0
