"""Keeps a service running in a folder, as systemd would, and keeps its logs."""

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from taskqueue.settings.options import PREFIX
from taskqueue.testing.events import EventLog
from taskqueue.testing.process import PRINTED, ServiceEnded, ServiceProcess, children_of
from taskqueue.verification.collector import Collector
from taskqueue.verification.stopped_gates import disorder_found

LEASE_S = 1.0
FLAGS = (
    *("--app", "taskqueue.verification.app:app"),
    *("--consumers", "3", "--slots", "4", "--lease-s", str(LEASE_S), "--drain-s", "1"),
    *("--retry-initial-s", "0.05", "--retry-max-s", "0.5"),
    *("--retry-max-crashes", "1000", "--retry-max-deliveries", "1000"),
)
RESTART_S = 0.1  # systemd's RestartSec
STOP_LIMIT_S = 30.0  # after SIGTERM

# Events that no fault from outside may cause.
SURPRISES = ("actor_close_failed", "http_error", "message_unexpected", PRINTED)

# How a life may end: stopped, also before it handled signals; given up, because the tree
# escalated; killed by us.
STOPPED, TOO_EARLY, GAVE_UP, KILLED = 0, -signal.SIGTERM, 1, -signal.SIGKILL


class NeverReady(Exception):
    """The first life of the service ended before it was ready; the text says why."""


class UnconfiguredProcess(ServiceProcess):
    """A service whose settings are its flags alone, whatever the environment says."""

    def inherited(self) -> dict[str, str]:
        """Return the variables of this process without the settings among them."""
        found = super().inherited()
        return {name: value for name, value in found.items() if not name.startswith(PREFIX)}


class FiledLog(EventLog):
    """The log of one life, also in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("w")
        self.surprises: list[str] = []
        self.restarts = 0

    def record(self, event: Mapping[str, Any]) -> None:
        """Write the event to the file at once."""
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()
        self.restarts += event.get("event") == "child_restarted"
        if event.get("event") in SURPRISES:
            self.surprises.append(f"in the log: {json.dumps(event)}")
        super().record(event)

    def close(self) -> None:
        self._file.close()


class Site:
    """One folder with one database, and the lives of the service that run on it."""

    def __init__(self, folder: Path, *flags: str) -> None:
        """Use an empty folder; `flags` are those of the service beside `FLAGS`."""
        self.folder = folder
        self._flags = flags
        self.url = ""
        self.evidence = Collector()
        self.ends: Counter[int] = Counter()  # exit codes
        self.restarts = 0  # of parts of the service, as its logs tell
        self.surprises: list[str] = []
        self._life: ServiceProcess | None = None
        self._end: asyncio.Task[int] | None = None
        self._ready = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def database(self) -> Path:
        """The file with the tasks."""
        return self.folder / "data" / "tasks.db"

    @property
    def pid(self) -> int:
        """The process that runs now, or ran last."""
        assert self._life is not None
        return self._life.pid

    @property
    def writers(self) -> list[int]:
        """The processes that write for it now: one, or none while it is replaced."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return [
                child
                for child in children_of(self.pid)
                if b"process_main" in Path(f"/proc/{child}/cmdline").read_bytes()
            ]
        return []

    def new_life(self) -> ServiceProcess:
        """Return a life of the service that is still to be launched."""
        variables = {**self.variables(), **self.evidence.variables}
        return UnconfiguredProcess(self.folder, *FLAGS, *self._flags, env=variables)

    def variables(self) -> dict[str, str]:
        """Return the variables of the service, beside those of this process."""
        return {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep the service running while inside. Nothing of it runs afterwards."""
        async with self.evidence.open():
            self._keeping = asyncio.create_task(self._keep())
            try:
                await self.ready()
                yield
            finally:
                await self._keep_no_more()
                if self._life is not None:
                    await self._life.end()

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

    async def _ended(self, limit_s: float) -> bool:
        assert self._end is not None
        done, _ = await asyncio.wait({self._end}, timeout=limit_s)
        return bool(done)

    async def _keep(self) -> None:
        for number in range(1, 10**6):
            life = self.new_life()
            life.events = FiledLog(self.folder / f"service-{number:03}.jsonl")
            self._life = await life.launch()
            self._end = asyncio.create_task(life.wait())
            with contextlib.suppress(ServiceEnded):
                self.url = (await life.ready()).url
                self._ready.set()
            await asyncio.wait({self._end})
            self._ready.clear()
            await self._note_end()
            self.surprises += await asyncio.to_thread(disorder_found, self.database)
            if not self.url:
                raise NeverReady(await life.complaint())
            await asyncio.sleep(RESTART_S)

    async def _keep_no_more(self) -> None:
        assert self._keeping is not None
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
