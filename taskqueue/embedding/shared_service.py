"""Keeps one service running for an application, which may have several processes."""

import asyncio
from random import random
from time import monotonic
from types import TracebackType
from typing import NoReturn, Self
from urllib.parse import urlsplit

from taskqueue.api.app import App
from taskqueue.client.aio import AsyncClient
from taskqueue.embedding.running_service import RunningService, StartService
from taskqueue.embedding.service_file import ServiceFile
from taskqueue.errors import ConfigError, Fault, ServiceNotStarted
from taskqueue.events import events
from taskqueue.settings import Settings
from taskqueue.supervision import Backoff
from taskqueue.supervision.decisions import RestartDelays

BACKOFF = Backoff(initial_s=0.2, max_s=10.0)

# How often a process that does not run the service looks whether it has to, and where it is.
LOOK_S = 0.25


class SharedService:
    """Runs the service, or finds that of another process, from `__aenter__` to `__aexit__`.

    A service that ends is restarted after a delay, on the same port. When the process that ran it
    has ended, another one takes over. The app keeps enqueueing to it.
    """

    def __init__(self, app: App, settings: Settings, start: StartService) -> None:
        """Do nothing yet; `start` starts a service on a port."""
        self._app = app
        self._settings = settings
        self._start = start
        self._connected = asyncio.Event()
        self._url: str | None = None
        self.client: AsyncClient

    async def __aenter__(self) -> Self:
        """Return when tasks are accepted.

        Raises:
            ServiceNotStarted, ConfigError: the service cannot start; `faults` says why.
        """
        try:
            self._file = ServiceFile.at(self._settings.database)
        except OSError as error:
            fault = Fault("database", f"{self._settings.database}: {error.strerror}")
            raise ServiceNotStarted((fault,)) from error
        self._running = asyncio.create_task(self._run(), name="taskqueue-shared-service")
        connected = asyncio.create_task(self._connected.wait())
        try:
            await asyncio.wait({self._running, connected}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._end()
            raise
        finally:
            connected.cancel()
        if self._running.done():
            self._file.close()
            self._running.result()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the service, if it runs here, as SIGTERM does."""
        await self._end()
        self._app.disconnect()
        await self.client.close()

    async def _end(self) -> None:
        self._running.cancel()
        try:
            await asyncio.wait({self._running})
        except asyncio.CancelledError:
            self._running.cancel()  # cuts the drain
            await asyncio.wait({self._running})
            raise
        finally:
            self._file.close()

    async def _run(self) -> NoReturn:
        while not self._file.take():
            if (url := self._file.url) is not None and url != self._url:
                events.info("embedded_service_found", url=url)
                self._connect(url)
            await asyncio.sleep(LOOK_S)
        await self._serve()

    async def _serve(self) -> NoReturn:
        delays = RestartDelays(BACKOFF)
        while True:
            try:
                service = await self._started()
            except (ServiceNotStarted, ConfigError) as error:
                if not self._connected.is_set():
                    raise
                why = str(error)
            else:
                delays.started(monotonic())
                why = await self._end_of(service)
                delays.ended(monotonic())
            pause = delays.next(jitter=random())  # noqa: S311 - no secret
            events.warning("embedded_service_ended", reason=why, restart_in_s=pause.seconds)
            await asyncio.sleep(pause.seconds)

    async def _end_of(self, service: RunningService) -> str:
        self._file.announce(service.url)
        self._connect(service.url)
        events.info("embedded_service_started", url=service.url)
        try:
            return await service.ended()
        except asyncio.CancelledError:
            await service.stop()
            raise

    async def _started(self) -> RunningService:
        """Start a service where the last one listened, so that its clients find it."""
        port = self._settings.port
        last = self._url or self._file.url
        last_port = None if last is None else urlsplit(last).port
        if port or self._settings.listen or last_port is None:
            return await self._start(port)
        try:
            return await self._start(last_port)
        except ServiceNotStarted as error:
            if [fault.field for fault in error.faults] != ["port"]:
                raise
            return await self._start(0)

    def _connect(self, url: str) -> None:
        self._app.connect(url)
        if self._url is None:
            self.client = AsyncClient(url)
        else:
            self.client.redirect(url)
        self._url = url
        self._connected.set()
