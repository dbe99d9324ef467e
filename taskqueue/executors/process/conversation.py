"""What the service and a worker say to each other about one attempt."""

import asyncio
from typing import TypeAlias

from taskqueue.api.attempt_handle import AttemptHandle
from taskqueue.attempt_log import Lines
from taskqueue.children.messages import framed
from taskqueue.children.pipe import Pipe
from taskqueue.errors import ActorError, StatementRefused, StorageUnavailable
from taskqueue.executors.process.messages import (
    Done,
    DryRunAnswer,
    DryRunQuery,
    FromWorker,
    Logged,
    OfAttempt,
    Progressed,
    Spent,
)
from taskqueue.process.hidden_tasks import hidden_task
from taskqueue.rules.tasks import Statement, TimedOut

End: TypeAlias = Done | TimedOut | None
"""The worker's last message, or that it took too long; None: its process has ended."""


class Conversation:
    """Answers what the worker asks through `handle`, until the attempt has its `end`.

    Its first end counts. It ends by itself after `timeout_s`.
    """

    def __init__(
        self, handle: AttemptHandle, pipe: Pipe[FromWorker], *, timeout_s: float | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[End] = loop.create_future()
        self._handle = handle
        self._pipe = pipe
        self._answering: asyncio.Task[None] | None = None
        self._limit = (
            None
            if timeout_s is None
            else loop.call_later(timeout_s, self.end, TimedOut(after_s=timeout_s))
        )

    def hear(self, message: OfAttempt) -> None:
        """Take what the worker says. It waits for each answer before it asks again."""
        match message:
            case Done():
                self.end(message)
            case Progressed(progress=progress):
                self._handle.report(progress)
            case Spent(use=use):
                self._handle.spend(use)
            case Logged(lines=lines, dropped=dropped):
                self._handle.log(Lines(lines, dropped))
            case DryRunQuery():
                self._answering = hidden_task(self._answer(message))
                self._answering.add_done_callback(self._answered)

    def end(self, end: End) -> None:
        """Let it end, if it has not yet."""
        if not self.ended.done():
            self.ended.set_result(end)

    def stop(self) -> None:
        """Answer nothing more, and forget the limit."""
        if self._limit is not None:
            self._limit.cancel()
        if self._answering is not None:
            self._answering.cancel()

    async def _answer(self, asked: DryRunQuery) -> None:
        answer = await _dry_run(self._handle, asked.statements, asked.query)
        self._pipe.send(framed(answer))

    def _answered(self, answering: asyncio.Task[None]) -> None:
        """Raise a fault of ours in the caller of the attempt."""
        if answering.cancelled() or self.ended.done():
            return
        if (error := answering.exception()) is not None:
            self.ended.set_exception(error)


async def _dry_run(
    handle: AttemptHandle, statements: tuple[Statement, ...], query: Statement
) -> DryRunAnswer:
    try:
        return DryRunAnswer(rows=await handle.dry_run(statements, query))
    except StatementRefused as error:
        return DryRunAnswer(refused=error.detail)
    except (StorageUnavailable, ActorError) as error:
        return DryRunAnswer(unavailable=str(error))
