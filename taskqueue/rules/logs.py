"""What attempts have logged, as it is stored and read."""

from taskqueue.rules.tasks import AttemptOutcome
from taskqueue.structs import Struct


class LoggedAttempt(Struct):
    """An attempt that has logged something."""

    attempt: int
    outcome: AttemptOutcome
    started_at: float | None
    ended_at: float
    log: str  # JSON text of a `KeptLog`


class RunningLog(Struct):
    """What an attempt that runs has logged so far."""

    attempt: int
    started_at: float
    log: str  # JSON text of a `KeptLog`

    def is_stored(self, page: "LogPage") -> bool:
        """Tell whether it has ended meanwhile, and is in the page itself."""
        return any(
            each.attempt == self.attempt and each.ended_at >= self.started_at
            for each in page.attempts
        )


class LogPage(Struct):
    """Attempts that have logged something, the latest first; `next` is what to go on before."""

    attempts: tuple[LoggedAttempt, ...]
    next: int | None
