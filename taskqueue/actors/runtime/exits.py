"""Why an actor ended: the exit reasons.

Orderly are `Normal` and `Shutdown`; everything else is abnormal. Supervisors decide by the reason
alone. Source: OTP, `supervisor` (restart types) and `erlang:exit/2`.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Normal:
    """It had nothing more to do."""

    def __str__(self) -> str:
        """Return OTP's word."""
        return "normal"


@dataclass(frozen=True, slots=True)
class Shutdown:
    """It was told to stop, or stopped on purpose; `detail` may say more."""

    detail: object = None

    def __str__(self) -> str:
        """Return OTP's word, with the detail if there is one."""
        return "shutdown" if self.detail is None else f"shutdown: {self.detail}"


@dataclass(frozen=True, slots=True)
class Killed:
    """It was killed: nothing could trap that, and no stop hook ran."""

    def __str__(self) -> str:
        """Return OTP's word."""
        return "killed"


@dataclass(frozen=True, slots=True)
class Crash:
    """It failed. `cause` is the exception, or any term it chose to exit with."""

    cause: object

    def __str__(self) -> str:
        """Return the exception's type and text, or the term."""
        if isinstance(self.cause, BaseException):
            return f"{type(self.cause).__name__}: {_text_of(self.cause)}"
        return _text_of(self.cause)


def _text_of(cause: object) -> str:
    try:
        return str(cause)
    except Exception as error:  # noqa: BLE001 - anybody's code, met while an end is being told
        return f"<no text: {type(error).__name__}>"


@dataclass(frozen=True, slots=True)
class NoProc:
    """There was nobody (any more) to link to or to monitor."""

    def __str__(self) -> str:
        """Return OTP's word."""
        return "noproc"


ExitReason: TypeAlias = Normal | Shutdown | Killed | Crash | NoProc

NORMAL = Normal()
SHUTDOWN = Shutdown()
KILLED = Killed()
NOPROC = NoProc()


def is_orderly(reason: ExitReason) -> bool:
    """Tell whether a transient child that ends so stays gone."""
    return isinstance(reason, Normal | Shutdown)


class Exit(Exception):
    """Raised by an actor to end itself with `reason`, from any hook or handler."""

    def __init__(self, reason: ExitReason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Ignore(Exception):
    """Raised by `on_start`: there is nothing to run here, and that is fine."""
