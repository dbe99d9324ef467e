"""What the service answers about attempts, as the client returns it."""

from collections.abc import Sequence
from typing import Any

from taskqueue.attempt_log import LogLine
from taskqueue.rules.running import HandlerLine
from taskqueue.rules.tasks import AttemptOutcome
from taskqueue.structs import Struct


class AttemptLog(Struct):
    """What one attempt has logged, oldest line first; `dropped` lines came before these.

    Of one that runs, `outcome` and `ended_at` are None.
    """

    attempt: int
    outcome: AttemptOutcome | None
    started_at: float | None
    ended_at: float | None
    lines: Sequence[LogLine]
    dropped: int


class LogsPage(Struct):
    """Logs of attempts, the latest first; `next` continues after them."""

    attempts: Sequence[AttemptLog]
    next: int | None


class RunningTask(Struct):
    """An attempt that runs; `progress` is None as well if it is longer than 4 KiB."""

    task_id: str
    action: str
    queue: str
    attempt: int
    consumer: str
    executor: str
    started_at: float
    age_s: float
    progress: Any
    line: HandlerLine | None
    """Where its handler is; None if that cannot be told."""


class TaskStack(Struct):
    """The stack of a handler that runs."""

    task_id: str
    attempt: int
    consumer: str
    executor: str
    started_at: float
    age_s: float
    stack: Sequence[HandlerLine]
    """The calls of your code that it is in, outermost first; none if that cannot be told."""
    truncated: bool
    """Whether the outermost are left out."""
