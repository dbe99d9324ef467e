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
    """When the failed attempts of one action are retried. A field that is None uses the settings.

    The backoff applies to every failed attempt, including timeouts and crashes. The other fields
    apply to exceptions of the handler.
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
    """Exceptions that are not retried: the task is dead-lettered."""
    only_on: Kinds | None = None
    """The only exceptions that are retried; None: all."""
    wait_s: Wait | None = None
    """A function of the exception and the number of the failed attempt (1, 2, …). It returns the
    wait in seconds, or None for the backoff, and runs where the handler runs."""

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong, each under its name."""
        for name in ("initial_s", "max_s"):
            value = getattr(self, name)
            if value is not None and not is_duration(value):
                yield Fault(f"retries.{name}", "must be a number of seconds above 0")
        least, most = self.initial_s, self.max_s
        if least is not None and most is not None and is_duration(most) and least > most:
            yield Fault("retries.initial_s", f"must be at most max_s, which is {most:g}")
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
    numbers = {
        name: converted_by(plain.number, values[name])
        for name in _BACKOFF
        if values[name] is not None
    }
    return Retries(**{**values, **numbers})


def _kinds(kinds: Kinds | None) -> tuple[type[BaseException], ...]:
    return kinds if isinstance(kinds, tuple) else () if kinds is None else (kinds,)


def _is_exception(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _is_within(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
