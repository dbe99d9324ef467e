"""The answers about what attempts have logged."""

from collections.abc import Sequence
from typing import Self

import msgspec

from taskqueue.attempt_log import KeptLog, LogLine
from taskqueue.rules.logs import LoggedAttempt, RunningLog
from taskqueue.rules.tasks import AttemptOutcome
from taskqueue.structs import Struct

_kept = msgspec.json.Decoder(KeptLog).decode


class LoggedAttemptView(Struct):
    """What one attempt has logged, oldest line first; `dropped` lines came before these.

    Of one that runs, `outcome` and `ended_at` are null.
    """

    attempt: int
    outcome: AttemptOutcome | None
    started_at: float | None
    ended_at: float | None
    lines: Sequence[LogLine]
    dropped: int

    @classmethod
    def of(cls, logged: LoggedAttempt) -> Self:
        """Return the view of what an attempt has logged."""
        kept = _kept(logged.log)
        return cls(
            attempt=logged.attempt,
            outcome=logged.outcome,
            started_at=logged.started_at,
            ended_at=logged.ended_at,
            lines=kept.lines,
            dropped=kept.dropped,
        )

    @classmethod
    def of_running(cls, running: RunningLog) -> Self:
        """Return the view of what an attempt that runs has logged so far."""
        kept = _kept(running.log)
        return cls(
            attempt=running.attempt,
            outcome=None,
            started_at=running.started_at,
            ended_at=None,
            lines=kept.lines,
            dropped=kept.dropped,
        )


class Logs(Struct):
    """What the attempts at a task have logged, the latest first.

    Attempts that have logged nothing are left out. `next` is the cursor of the page after this one,
    or None.
    """

    attempts: Sequence[LoggedAttemptView]
    next: int | None
