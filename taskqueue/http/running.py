"""The call that shows what runs now."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, Self

import msgspec
from msgspec import Raw

from taskqueue.api.app import App
from taskqueue.clock import Clock
from taskqueue.commands import Ask, GetRunning
from taskqueue.http.answers import Answer
from taskqueue.http.route import Call
from taskqueue.rules.running import HandlerLine, RunningAttempt
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
        shown = msgspec.structs.asdict(attempt) | {
            "age_s": max(0.0, round(now - attempt.started_at, 3)),
            "progress": None if progress is None else Raw(progress),
            "line": None
            if line is None
            else msgspec.structs.replace(line, file=relative(line.file, folders)),
        }
        return cls(**shown)


class RunningList(Struct):
    """The attempts that run, those that began first."""

    running: Sequence[RunningView]
    count: int
    truncated: bool


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
        folders = [*_folders(self._app.folder)]
        now = self._clock.now()
        views = [RunningView.of(each, folders=folders, now=now) for each in running.attempts]
        return Answer(RunningList(running=views, count=len(views), truncated=running.truncated))


def relative(file: str, folders: Iterable[str]) -> str:
    """Return a module's file relative to the first of `folders` that holds it.

    >>> relative("/srv/shop/tasks/mail.py", ["/srv/lib", "/srv/shop"])
    'tasks/mail.py'
    >>> relative("/opt/other.py", ["/srv/shop"])
    '/opt/other.py'
    """
    path = PurePath(file)
    below = (path.relative_to(each) for each in folders if path.is_relative_to(each))
    return str(next(below, path))


def _folders(app: str) -> Iterable[str]:
    """Yield where modules are looked for: the app's folder, then Python's, the deepest first."""
    if app:
        yield app
    # User code may have put anything there.
    yield from sorted((each for each in sys.path if type(each) is str and each), key=len)[::-1]
