"""Exit reasons: why an actor ended.

`Normal` and `Shutdown` are normal exits, all others are abnormal. Supervisors decide by the reason
alone. Source: OTP, `supervisor` (restart types) and `erlang:exit/2`.
"""

from dataclasses import dataclass
from typing import TypeAlias

from taskqueue.foreign import rendering
from taskqueue.foreign.inspection import is_a, name_of


@dataclass(frozen=True, slots=True)
class Normal:
    """The actor had finished."""

    def __str__(self) -> str:
        """Return OTP's term."""
        return "normal"


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The actor was told to stop, or stopped on purpose; `detail` may say more."""

    detail: object = None

    def __str__(self) -> str:
        """Return OTP's term, with the detail if there is one."""
        return "shutdown" if self.detail is None else f"shutdown: {rendering.text(self.detail)}"


@dataclass(frozen=True, slots=True)
class Killed:
    """The actor was killed. That cannot be trapped, and no stop hook ran."""

    def __str__(self) -> str:
        """Return OTP's term."""
        return "killed"


@dataclass(frozen=True, slots=True)
class Crash:
    """The actor failed. `cause` is the exception, or any term that it exited with."""

    cause: object

    def __str__(self) -> str:
        """Return the exception's type and text, or the term."""
        kind = type(self.cause)
        if issubclass(kind, BaseException):
            return f"{name_of(kind)}: {rendering.text(self.cause)}"
        return rendering.text(self.cause)


@dataclass(frozen=True, slots=True)
class NoProc:
    """There was no living actor to link to or to monitor."""

    def __str__(self) -> str:
        """Return OTP's term."""
        return "noproc"


ExitReason: TypeAlias = Normal | Shutdown | Killed | Crash | NoProc

NORMAL = Normal()
SHUTDOWN = Shutdown()
KILLED = Killed()
NOPROC = NoProc()


# User code may exit with any value, and with subclasses of these that have code of their own.
_REASONS = (Normal, Shutdown, Killed, Crash, NoProc)


def as_reason(given: object) -> ExitReason:
    """Return an exit reason; any other term becomes the cause of a `Crash`, as in `exit(boom)`.

    >>> as_reason("boom"), as_reason(NORMAL)
    (Crash(cause='boom'), Normal())
    """
    return given if type(given) in _REASONS else Crash(given)  # type: ignore[return-value] # one of them


def is_orderly(reason: ExitReason) -> bool:
    """Return whether this is a normal exit, after which a transient child is not restarted."""
    return isinstance(reason, Normal | Shutdown)


def exception_of(reason: ExitReason) -> BaseException | None:
    """Return the exception of a crash. `isinstance` could run code of the cause."""
    cause = reason.cause if is_a(reason, Crash) else None
    return cause if is_a(cause, BaseException) else None


class Exit(Exception):
    """Raised in any hook or handler to end the actor with `reason`."""

    def __init__(self, reason: ExitReason) -> None:
        self.reason = as_reason(reason)
        super().__init__(str(self.reason))


def reason_of(exit_: Exit) -> ExitReason:
    """Return the reason of an `Exit`, which may be a subclass that has lost it."""
    try:
        return as_reason(exit_.reason)
    except BaseException:  # noqa: BLE001 - user code may raise anything
        return Crash(exit_)


class Ignore(Exception):
    """Raised by `on_start` if there is nothing to run; the start is ignored, not failed."""
