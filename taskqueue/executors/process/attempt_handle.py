"""The handle of an attempt in a worker process: what it says and asks goes through the pipe."""

import threading
from contextlib import AbstractAsyncContextManager
from time import monotonic  # before a handler's library replaces it
from typing import Any

from taskqueue.api.attempt_handle import AttemptHandle
from taskqueue.attempt_log import MAX_LINES, AttemptLog, Lines
from taskqueue.children.blocking_pipe import BlockingPipe
from taskqueue.children.messages import framed
from taskqueue.errors import NoConnection, StatementRefused, StorageUnavailable
from taskqueue.executors.process.messages import (
    Done,
    DryRunAnswer,
    DryRunQuery,
    Logged,
    Progressed,
    Run,
    Spent,
    ToWorker,
)
from taskqueue.rules.limits import LimitUse
from taskqueue.rules.tasks import Outcome, Rows, Statement

MAX_FRAMES = MAX_LINES  # with lines, in a second


class WorkerAttemptHandle(AttemptHandle):
    """The handle of one attempt, for all threads of its handler.

    An `async def` that does a dry run blocks its loop: no other attempt runs in this process.
    """

    def __init__(self, pipe: BlockingPipe[ToWorker]) -> None:
        self._pipe = pipe
        self._turn = threading.Lock()
        self._is_done = False
        self._unsent = AttemptLog()
        self._frames = FrameBudget()

    def report(self, progress: str) -> None:
        with self._turn:
            if not self._is_done:  # a thread may outlive its handler
                self._pipe.send(framed(Progressed(progress=progress)))

    def spend(self, use: LimitUse) -> None:
        with self._turn:
            if not self._is_done:
                self._pipe.send(framed(Spent(use=use)))

    def log(self, lines: Lines) -> None:
        """Send them now if that takes no wait, so that they outlive this process; else later."""
        self._unsent.add(lines)
        if not self._turn.acquire(blocking=False):
            return
        try:
            if not self._is_done and self._pipe.has_room() and self._frames.spend(monotonic()):
                self._pipe.send(framed(Logged(**self._unsent.take()._asdict())))
        except OSError:  # the service has gone, and we with it
            return
        finally:
            self._turn.release()

    async def dry_run(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        return self.dry_run_blocking(statements, query)

    def dry_run_blocking(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        with self._turn:
            if self._is_done:
                raise StatementRefused("the attempt has ended")
            self._pipe.send(framed(DryRunQuery(statements=statements, query=query)))
            return _rows_of(self._pipe.receive())

    def connection(self) -> AbstractAsyncContextManager[Any]:
        raise NoConnection("this handler runs in a process, and the connection is the service's")

    async def concluded(self, outcome: Outcome) -> Outcome:
        return outcome

    def abandon_connection(self) -> None:
        """Nothing was lent."""

    def done(self, outcome: Outcome, memory_mb: float | None, *, is_last: bool) -> None:
        """Say that the attempt is made; nothing is said after that."""
        with self._turn:
            self._is_done = True
            unsent = self._unsent.take()
            if unsent.lines:
                self._pipe.send(framed(Logged(**unsent._asdict())))
            self._pipe.send(framed(Done(outcome=outcome, memory_mb=memory_mb, is_last=is_last)))


class FrameBudget:
    """How often lines are sent at once: a handler that logs much must not keep the service busy."""

    def __init__(self) -> None:
        self._second = 0
        self._spent = 0

    def spend(self, now: float) -> bool:
        """Spend one of the frames of this second; False if there is none left."""
        if int(now) != self._second:
            self._second, self._spent = int(now), 0
        self._spent += 1
        return self._spent <= MAX_FRAMES


def _rows_of(answer: ToWorker | None) -> Rows:
    match answer:
        case DryRunAnswer(rows=Rows() as rows):
            return rows
        case DryRunAnswer(refused=str(detail)):
            raise StatementRefused(detail)
        case DryRunAnswer(unavailable=str(reason)):
            raise StorageUnavailable(reason)
        case DryRunAnswer() | Run() | None:  # the service has gone, and we with it
            raise StorageUnavailable("the service has gone")
