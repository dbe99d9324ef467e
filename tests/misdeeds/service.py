"""The service under test, observed from outside."""

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from taskqueue.testing.events import EventLog
from taskqueue.testing.process import ServiceProcess
from tests.misdeeds.deadline import Deadline

START_S = 120.0  # a start that takes longer hangs
POLL_S = 0.05


class WholeLog(EventLog):
    """A log that also keeps all events in one list."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[Mapping[str, Any]] = []

    def record(self, event: Mapping[str, Any]) -> None:
        """Add one event."""
        # A handler may log an event that is not text.
        event = {**event, "event": str(event.get("event")), "task_id": str(event.get("task_id"))}
        self.recorded.append(event)
        super().record(event)


class WatchedService(ServiceProcess):
    """A service that can be waited for although its children keep its streams open."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        super().__init__(folder, *arguments)
        self.events: WholeLog = WholeLog()

    async def ready(self) -> Self:
        """Wait until it accepts tasks."""
        self.url = (await self.wait_for("service_ready", timeout_s=START_S))["url"]
        return self

    def terminate(self) -> None:
        """Send SIGTERM if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.send(signal.SIGTERM)

    async def returned(self, *, before: Deadline) -> int | None:
        """Wait for its end and return the exit code; None if the deadline comes first."""
        assert self._process is not None
        while not before.is_over:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._process.wait(), POLL_S)
        return None

    async def complaint(self) -> str:
        """Return its standard error, which may not be UTF-8."""
        assert self._complaining is not None
        return (await self._complaining).decode(errors="backslashreplace")
