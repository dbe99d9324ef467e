"""When failed attempts at an action are tried again, and after which wait.

@app.task(max_attempts=8, retries=Retries(initial_s=5, max_s=3600, never_on=(ValueError,)))
async def charge(order: int) -> None: ...

A verdict goes first: `raise Retry(30)` tries again in 30 s, whatever the rule says.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TypeAlias

from msgspec.structs import replace

from taskqueue.api.outcomes import seconds
from taskqueue.errors import Fault
from taskqueue.foreign import conversion as plain
from taskqueue.rules.options import converted_by, is_duration
from taskqueue.rules.policy import RetryPolicy

Kinds: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]
Wait: TypeAlias = Callable[[BaseException, int], float | None]

_MAX_FACTOR = 100
_BACKOFF = ("initial_s", "factor", "max_s", "jitter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """The rule of one action. The setting `retry` holds for what is None.

    The backoff holds for every failed attempt, also for one that has timed out or crashed. The
    other parts look at the exception of the handler.
    """

    initial_s: float | None = None
    """The wait before the second attempt, in seconds."""
    factor: float | None = None
    """How much longer each wait is than the one before."""
    max_s: float | None = None
    """The longest wait, in seconds."""
    jitter: float | None = None
    """The share of the wait that is added at random, at most."""
    never_on: Kinds = ()
    """Exceptions after which there is no other attempt: the task is dead."""
    only_on: Kinds | None = None
    """The only exceptions after which there is another attempt; None: all."""
    wait_s: Wait | None = None
    """Returns the wait after an exception and the number of its attempt (1, 2, …), in seconds;
    None: the backoff. It runs where the handler runs."""

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong, each under its name."""
        for name in ("initial_s", "max_s"):
            value = getattr(self, name)
            if value is not None and not is_duration(value):
                yield Fault(f"retries.{name}", "must be a number of seconds above 0")
        if self.factor is not None and not _is_within(self.factor, 1, _MAX_FACTOR):
            yield Fault("retries.factor", f"must be a number from 1 to {_MAX_FACTOR}")
        if self.jitter is not None and not _is_within(self.jitter, 0, 1):
            yield Fault("retries.jitter", "must be a number from 0 to 1")
        for name in ("never_on", "only_on"):
            if not all(map(_is_exception, _kinds(getattr(self, name)))):
                yield Fault(f"retries.{name}", "must be exception classes")
        wait_s: object = self.wait_s
        if wait_s is not None and not callable(wait_s):
            yield Fault("retries.wait_s", "must be a function of an exception and an attempt")

    def over(self, policy: RetryPolicy) -> RetryPolicy:
        """Return `policy` with the backoff of this rule."""
        if self is USUAL:
            return policy
        given = {name: getattr(self, name) for name in _BACKOFF}
        return replace(policy, **{k: v for k, v in given.items() if v is not None})

    def tries_again(self, error: BaseException) -> bool:
        """Return whether there is another attempt after `error`, if one is left."""
        # By its type: `isinstance` asks the object for its `__class__`, and user code may answer.
        kind = type(error)
        if issubclass(kind, _kinds(self.never_on)):
            return False
        return self.only_on is None or issubclass(kind, _kinds(self.only_on))

    def wait_after(self, error: BaseException, attempt: int) -> float | None:
        """Return what `wait_s` says; None if the backoff holds.

        Raises:
            ValueError: it returned something other than a number of seconds.
        """
        wait_s = None if self.wait_s is None else self.wait_s(error, attempt)
        return None if wait_s is None else seconds("wait_s", wait_s)


USUAL = Retries()


def as_built_in(retries: Retries) -> Retries:
    """Return the same rule with numbers of built-in types. What is no number stays as it is."""
    values = {each.name: getattr(retries, each.name) for each in fields(retries)}
    numbers = {k: converted_by(plain.number, v) for k, v in values.items() if k in _BACKOFF and v}
    return Retries(**{**values, **numbers})


def _kinds(kinds: Kinds | None) -> tuple[type[BaseException], ...]:
    return kinds if isinstance(kinds, tuple) else () if kinds is None else (kinds,)


def _is_exception(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _is_within(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
