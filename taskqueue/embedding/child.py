"""The process of a service, as its application sees it."""

import asyncio
import sys
from contextlib import suppress
from typing import Any

from taskqueue.children.launch import PATH, launch, when_ended
from taskqueue.children.messages import decoder, framed
from taskqueue.children.pipe import Pipe
from taskqueue.embedding.messages import FromService, Ready, Refused, Run
from taskqueue.errors import Fault, ServiceNotStarted
from taskqueue.process import origin

# How much longer than the drain a stop may take before the process is killed.
STOP_S = 15.0

_COMMAND = """\
import sys
sys.path[:] = {path!r}
from taskqueue.embedding.child_main import main
main({descriptor})
"""


class ServiceChild:
    """A service in a process of its own. It ends with this process, or with the thread it is in."""

    url: str

    def __init__(self, run: Run, drain_s: float) -> None:
        """Start the process.

        Raises:
            OSError: the system has no room for it.
        """
        loop = asyncio.get_running_loop()
        self._stop_s = drain_s + STOP_S
        self._answer: asyncio.Future[FromService | None] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()
        end, self._process = launch(_COMMAND, has_site=True, stdout=origin.stream(1))
        self._pipe: Pipe[FromService] = Pipe(end, decoder(FromService))
        self._pipe.listen(self._hear, lambda: self._hear(None))
        self._pipe.send(framed(run))
        when_ended(self._process, lambda code: _threadsafe(loop, self._ended, code))

    @classmethod
    async def begin(cls, run: Run, drain_s: float) -> "ServiceChild":
        """Start a service, as `running_service.StartService`."""
        try:
            service = cls(run, drain_s)
        except OSError as error:
            fault = Fault("process", f"cannot be started: {error.strerror}")
            raise ServiceNotStarted((fault,)) from error
        try:
            await service._started()
        except asyncio.CancelledError:
            await service.stop()
            raise
        return service

    async def ended(self) -> str:
        code = await asyncio.shield(self._ended)
        self._pipe.close()
        return f"process {self._process.pid} ended with {code}"

    async def stop(self) -> None:
        self._process.terminate()
        try:
            await asyncio.wait({self._ended}, timeout=self._stop_s)
        finally:
            if not self._ended.done():
                self._process.kill()
                await asyncio.wait({self._ended})
            self._pipe.close()

    async def _started(self) -> None:
        match await asyncio.shield(self._answer):
            case Ready(url=url):
                self.url = url
            case Refused(faults=faults):
                await self.ended()
                raise ServiceNotStarted(faults)
            case None:
                raise ServiceNotStarted((Fault("process", await self.ended()),))

    def _hear(self, message: FromService | None) -> None:
        if not self._answer.done():
            self._answer.set_result(message)


def search_path() -> tuple[str, ...]:
    """Return where this process looks for modules now."""
    path: object = sys.path
    entries = path if isinstance(path, list) else PATH
    return tuple(entry for entry in entries if isinstance(entry, str))


def _threadsafe(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", value: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(_set, future, value)


def _set(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)
