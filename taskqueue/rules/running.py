"""The words about an attempt that runs: whose it is, since when, and where its handler is."""

from taskqueue.structs import Struct


class HandlerLine(Struct):
    """The line of user code that a handler is at."""

    file: str
    number: int
    function: str


class RunningAttempt(Struct):
    """An attempt whose handler has begun and not ended."""

    task_id: str
    action: str
    queue: str
    attempt: int
    consumer: str
    executor: str
    started_at: float
    progress: str | None  # JSON text; None as well if it is too long to be shown here
    line: HandlerLine | None = None  # None: it cannot be told now


class Running(Struct):
    """The attempts that run, those that began first; `truncated`, if there are more."""

    attempts: tuple[RunningAttempt, ...]
    truncated: bool
