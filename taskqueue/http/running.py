"""The calls that show what runs now."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Self

import msgspec
from msgspec import Raw

from taskqueue.api.app import App
from taskqueue.clock import Clock
from taskqueue.commands import Ask, GetRunning, GetStack
from taskqueue.http.answers import Answer
from taskqueue.http.handler_lines import folders_of, shown
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call
from taskqueue.http.tasks.histories import history_of
from taskqueue.rules.running import HandlerLine, RunningAttempt, RunningStack
from taskqueue.structs import Struct


class RunningView(Struct):
    """An attempt that runs. `line` is where its handler is, null if that cannot be told."""

    task_id: str
    action: str
    queue: str
    attempt: int
    consumer: str
    executor: str
    started_at: float
    age_s: float
    progress: Raw | None
    line: HandlerLine | None

    @classmethod
    def of(cls, attempt: RunningAttempt, *, folders: Sequence[str], now: float) -> Self:
        """Return the view of an attempt; files below one of `folders` are shown relative to it."""
        line, progress = attempt.line, attempt.progress
        fields = msgspec.structs.asdict(attempt) | {
            "age_s": max(0.0, round(now - attempt.started_at, 3)),
            "progress": None if progress is None else Raw(progress),
            "line": None if line is None else shown(line, folders),
        }
        return cls(**fields)


class RunningList(Struct):
    """The attempts that run, those that began first."""

    running: Sequence[RunningView]
    count: int
    truncated: bool


class StackView(Struct):
    """The stack of a handler that runs: the calls of user code, outermost first.

    `stack` is empty if it cannot be told now; if it is `truncated`, the outermost are left out.
    """

    task_id: str
    attempt: int
    consumer: str
    executor: str
    started_at: float
    age_s: float
    stack: Sequence[HandlerLine]
    truncated: bool

    @classmethod
    def of(cls, running: RunningStack, *, folders: Sequence[str], now: float) -> Self:
        """Return the view of a stack; files below one of `folders` are shown relative to it."""
        attempt, stack = running.attempt, running.stack
        return cls(
            task_id=attempt.task_id,
            attempt=attempt.attempt,
            consumer=attempt.consumer,
            executor=attempt.executor,
            started_at=attempt.started_at,
            age_s=max(0.0, round(now - attempt.started_at, 3)),
            stack=[shown(call, folders) for call in stack.calls],
            truncated=stack.truncated,
        )


class RunningRoutes:
    """Show what runs."""

    def __init__(self, ask: Ask, app: App, clock: Clock) -> None:
        self._ask = ask
        self._app = app
        self._clock = clock

    async def list_running(self, _: Call[Any, Any]) -> Answer:
        """List the attempts that run now, each with the line at which its handler is.

        Answered within half a second, whatever the handlers do.
        """
        running = await self._ask(GetRunning())
        folders = folders_of(self._app.folder)
        now = self._clock.now()
        views = [RunningView.of(each, folders=folders, now=now) for each in running.attempts]
        return Answer(RunningList(running=views, count=len(views), truncated=running.truncated))

    async def show_stack(self, call: Call[Any, Any]) -> Answer:
        """Show the calls of user code that the handler of a running task is in, outermost first.

        Of a deep stack the innermost 30 calls are shown. Answered within half a second, whatever
        the handler does.
        """
        task_id = call.path["id"]
        running = await self._ask(GetStack(task_id=task_id))
        if running is None:
            status = (await history_of(self._ask, task_id)).task.status
            raise Problem(HTTPStatus.CONFLICT, "task is not running", f"It is {status}.")
        folders = folders_of(self._app.folder)
        return Answer(StackView.of(running, folders=folders, now=self._clock.now()))
