"""Opens the app's resources for one consumer or one worker process, and closes them at its end."""

import asyncio
from typing import Any, NoReturn

from taskqueue.api.app import App
from taskqueue.api.context import NO_RESOURCES
from taskqueue.api.resources import OpenResources
from taskqueue.errors import ResourcesLost, ResourcesNotOpened
from taskqueue.events import events
from taskqueue.executors.outcome import one_line
from taskqueue.process.hidden_tasks import hidden_task

OPEN_S = 10.0
CLOSE_S = 5.0


class Resources:
    """What `ctx.resources` is here. Belongs to the loop it is opened on.

    The context manager lives in one asyncio task from its beginning to its end: a task group or a
    time limit in it has to be left by the task that has entered it.
    """

    def __init__(self, app: App, **owner: object) -> None:
        """Make resources that are not open yet; `owner` says in the log whose they are."""
        self.value: object = NO_RESOURCES
        self._open = app.open_resources
        self._owner = owner
        self._life: asyncio.Task[str | None] | None = None

    async def open(self) -> None:
        """Enter the app's context manager, if it has one.

        Raises:
            ResourcesNotOpened: it failed, or took longer than `OPEN_S`; one line says why.
        """
        if self._open is None:
            return
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._unneeded = asyncio.Event()
        life = self._life = hidden_task(self._live(self._open))
        ends: set[asyncio.Future[Any]] = {life, self._opened}
        await asyncio.wait(ends, timeout=OPEN_S, return_when=asyncio.FIRST_COMPLETED)
        if self._opened.done():
            return
        self._life = None
        life.cancel()
        raise ResourcesNotOpened(_how(life) or f"still opening after {OPEN_S:g} s")

    async def _live(self, open_resources: OpenResources[object]) -> str | None:
        """Hold the resources until they are not needed; return what has failed, in one line."""
        try:
            async with open_resources() as self.value:
                self._opened.set_result(None)
                await self._unneeded.wait()
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            return one_line(error)
        return None

    @property
    def are_lost(self) -> bool:
        """Whether they have ended before they were closed."""
        return self._life is not None and (self._life.done() or self._life.get_loop().is_closed())

    async def lasting(self) -> NoReturn:
        """Wait for as long as they last.

        Raises:
            ResourcesLost: the context manager ended by itself, as with a task group of which a
                task has failed.
        """
        life = self._life or asyncio.get_running_loop().create_future()
        await asyncio.wait({life})
        raise ResourcesLost(_how(life) or "ended by themselves")

    async def close(self) -> None:
        """Leave the context manager. Never raises, takes `CLOSE_S` at most; may be repeated."""
        lost, life, self._life = self.are_lost, self._life, None
        if life is None or lost:
            return
        if self._opened.done():
            self._unneeded.set()
        else:
            life.cancel()
        await asyncio.wait({life}, timeout=CLOSE_S)
        why = _how(life) if life.done() else f"still closing after {CLOSE_S:g} s"
        life.cancel()
        if why is not None and self._opened.done():
            events.warning("resources_close_failed", **self._owner, reason=why)


def _how(life: "asyncio.Future[str | None]") -> str | None:
    """Return what has failed; None: nothing, or nothing yet."""
    if not life.done():
        return None
    return "cancelled" if life.cancelled() else life.result()
