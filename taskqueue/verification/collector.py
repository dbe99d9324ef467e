"""Collects what the handlers tell, beside the service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from taskqueue.verification.evidence import Begun, HandlerRun, Over, decode, runs
from taskqueue.verification.witness import PORT


class Collector:
    """Listens to the handlers of all lives of a service."""

    def __init__(self) -> None:
        self._told: list[Begun | Over] = []
        self._listening: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def variables(self) -> Mapping[str, str]:
        """What a service has to be started with, so that its handlers find this."""
        return {PORT: str(self._port)}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen while inside; the last words are waited for."""
        server = await asyncio.start_server(self._listen, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        async with server:
            yield

    async def runs(self) -> list[HandlerRun]:
        """Return what has been told, once all that told it have ended."""
        if self._listening:
            await asyncio.wait(self._listening)
        return runs(self._told)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._listening.add(task)
        try:
            with contextlib.suppress(ConnectionError):  # its process was killed
                async for line in reader:
                    if line.endswith(b"\n"):
                        self._told.append(decode(line))
        finally:
            self._listening.discard(task)
            writer.close()
