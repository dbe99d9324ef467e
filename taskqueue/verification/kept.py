"""A service that is started again whenever it ends, as systemd would, and the logs of its lives."""

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from taskqueue.testing.events import EventLog
from taskqueue.testing.process import PRINTED, ServiceEnded, ServiceProcess

RESTART_S = 0.1  # systemd's RestartSec
STARTS_WITHIN_S = 120.0  # whatever is done to the machine and the database meanwhile
STOP_LIMIT_S = 30.0  # after SIGTERM

SURPRISES = ("actor_close_failed", "http_error", "message_unexpected", PRINTED)

# How a life may end: stopped, also before it handled signals; given up, because the tree
# escalated; killed by us.
STOPPED, TOO_EARLY, GAVE_UP, KILLED = 0, -signal.SIGTERM, 1, -signal.SIGKILL


def is_surprising(event: Mapping[str, Any]) -> bool:
    """Tell whether no fault from outside may cause this."""
    return event.get("event") in SURPRISES


class NeverReady(Exception):
    """The first life of the service ended before it was ready; the text says why."""


class FiledLog(EventLog):
    """The log of one life, also in a file."""

    def __init__(self, path: Path, is_surprise: Callable[[Mapping[str, Any]], bool]) -> None:
        super().__init__()
        self._file = path.open("w")
        self._is_surprise = is_surprise
        self.surprises: list[str] = []
        self.restarts = 0

    def record(self, event: Mapping[str, Any]) -> None:
        """Write the event to the file at once."""
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()
        self.restarts += event.get("event") == "child_restarted"
        if self._is_surprise(event):
            self.surprises.append(f"in the log: {json.dumps(event)}")
        super().record(event)

    def close(self) -> None:
        self._file.close()


async def nothing_wrong() -> Sequence[str]:
    """Find nothing between two lives."""
    return ()


class KeptService:
    """The lives of one service, one after the other."""

    def __init__(
        self,
        new_life: Callable[[], ServiceProcess],
        logs: Callable[[int], Path],
        *,
        between_lives: Callable[[], Awaitable[Sequence[str]]] = nothing_wrong,
        is_surprise: Callable[[Mapping[str, Any]], bool] = is_surprising,
    ) -> None:
        """Keep nothing yet.

        Args:
            new_life: makes a life that is still to be launched.
            logs: where the log of a life goes, by its number.
            between_lives: is called after each life; what it returns are surprises.
            is_surprise: tells whether an event is one as well.
        """
        self._new_life = new_life
        self._logs = logs
        self._between_lives = between_lives
        self._is_surprise = is_surprise
        self.url = ""
        self.ends: Counter[int] = Counter()  # exit codes
        self.restarts = 0  # of parts of the service, as its logs tell
        self.surprises: list[str] = []
        self._life: ServiceProcess | None = None
        self._end: asyncio.Task[int] | None = None
        self._ready = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process that runs now, or ran last."""
        assert self._life is not None
        return self._life.pid

    def start(self) -> None:
        """Keep it running from now on."""
        self._keeping = asyncio.create_task(self._keep())

    async def ready(self) -> None:
        """Wait until a life of the service accepts tasks.

        Raises:
            NeverReady: it cannot be started at all.
        """
        assert self._keeping is not None
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ready, self._keeping}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._keeping.done():
            await self._keeping  # raises why it could not go on

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the life that runs now, if one does."""
        with contextlib.suppress(ProcessLookupError):
            if self._life is not None:
                self._life.send(number)

    async def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.send(signal.SIGKILL)
        await self._ended(STOP_LIMIT_S)

    async def stop(self) -> None:
        """SIGTERM, and wait for the end; a life that does not end in time is noted and killed."""
        self.send(signal.SIGTERM)
        if not await self._ended(STOP_LIMIT_S):
            self.surprises.append(f"a life ran on for {STOP_LIMIT_S:g} s after SIGTERM")
            await self.kill()

    async def close(self) -> None:
        """Stop the service for good."""
        await self._keep_no_more()
        await self.stop()
        await self._note_end()

    async def end(self) -> None:
        """Kill what still runs, and start nothing again."""
        await self._keep_no_more()
        if self._life is not None:
            await self._life.end()

    async def _ended(self, limit_s: float) -> bool:
        assert self._end is not None
        done, _ = await asyncio.wait({self._end}, timeout=limit_s)
        return bool(done)

    async def _keep(self) -> None:
        for number in range(1, 10**6):
            life = self._new_life()
            life.events = FiledLog(self._logs(number), self._is_surprise)
            self._life = await life.launch()
            self._end = asyncio.create_task(life.wait())
            with contextlib.suppress(ServiceEnded):
                ready = await life.wait_for("service_ready", timeout_s=STARTS_WITHIN_S)
                self.url = ready["url"]
                self._ready.set()
            await asyncio.wait({self._end})
            self._ready.clear()
            await self._note_end()
            self.surprises += await self._between_lives()
            if not self.url:
                raise NeverReady(await life.complaint())
            await asyncio.sleep(RESTART_S)

    async def _keep_no_more(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})

    async def _note_end(self) -> None:
        """Note how the last life ended, and the surprises in its log."""
        assert self._life is not None
        assert isinstance(self._life.events, FiledLog)
        code, complaint = await self._life.wait(), await self._life.complaint()
        self.ends[code] += 1
        self.restarts += self._life.events.restarts
        self.surprises += self._life.events.surprises
        self._life.events.close()
        if code not in (STOPPED, TOO_EARLY, GAVE_UP, KILLED) or "Traceback" in complaint:
            self.surprises.append(f"a life ended with {code}: {complaint or '(silently)'}")
