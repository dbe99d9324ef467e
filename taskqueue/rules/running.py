"""The words about an attempt that runs: whose it is, since when, and where its handler is."""

from taskqueue.structs import Struct


class HandlerLine(Struct):
    """A line of user code that a handler is at."""

    file: str
    number: int
    function: str


class HandlerStack(Struct):
    """The calls of user code that a handler is in, outermost first; none, if that is not known."""

    calls: tuple[HandlerLine, ...] = ()
    truncated: bool = False  # the outermost are left out

    @property
    def line(self) -> HandlerLine | None:
        """The line that it is at now."""
        return self.calls[-1] if self.calls else None


NO_STACK = HandlerStack()


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


class BlockedLoop(Struct):
    """A consumer whose loop a handler has been blocking `for_s` seconds, and at which line."""

    for_s: float
    line: HandlerLine | None  # None: it cannot be told


class Running(Struct):
    """The attempts that run, those that began first; `truncated`, if there are more."""

    attempts: tuple[RunningAttempt, ...]
    truncated: bool


class RunningStack(Struct):
    """An attempt that runs, with the stack of its handler."""

    attempt: RunningAttempt
    stack: HandlerStack
