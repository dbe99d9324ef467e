"""The service on the application's own loop."""

import asyncio
from collections.abc import Callable

from taskqueue.errors import ServiceFailed
from taskqueue.service import Service


class InProcess:
    """A service in a task of its own, so that its end cancels nothing of the application."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop = asyncio.Event()
        self._ready = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(), name="taskqueue-embedded")

    @classmethod
    async def begin(cls, make: Callable[[int], Service], port: int) -> "InProcess":
        """Start a service, as `running_service.StartService`."""
        service = cls(make(port))
        try:
            await asyncio.wait(
                {service._ready, service._running}, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            await service.stop()
            raise
        if not service._ready.done():
            service._running.result()
        return service

    @property
    def url(self) -> str:
        return self._service.url

    async def ended(self) -> str:
        await asyncio.wait({self._running})
        error = self._running.exception()
        return str(error) if isinstance(error, ServiceFailed) else repr(error)

    async def stop(self) -> None:
        self._stop.set()
        try:
            await asyncio.wait({self._running})
        except asyncio.CancelledError:
            self._running.cancel()
            await asyncio.wait({self._running})
            raise

    async def _run(self) -> None:
        async with self._service:
            self._ready.set_result(None)
            await self._stop.wait()
