"""The service as a process of its own: started, watched through its log, and killed for real.

async with ServiceProcess(folder) as service:
    ...                                     # service.url, service.wait_for("task_completed")
    service.kill()                          # SIGKILL, as the OOM killer would
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from taskqueue.testing.events import Event, EventLog

READY_TIMEOUT_S = 30.0

PRINTED = "printed"
"""The event that stands for a line on standard output that is none: `text` is the line."""


class ServiceEnded(Exception):
    """The process ended before what was waited for came; `stderr` is what it had to say."""

    def __init__(self, code: int, stderr: str) -> None:
        self.code = code
        self.stderr = stderr
        super().__init__(f"the service ended with {code}: {stderr.strip() or '(silently)'}")


def children_of(pid: int) -> list[int]:
    """Return the processes that this one has started and that are not reaped, as Linux tells."""
    children: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            children += map(int, (thread / "children").read_text().split())
    return children


class ServiceProcess:
    """`python -m taskqueue.supervisor` in `folder`, on a free port of the loopback interface.

    It finds the modules that this process finds, so whatever app a test can import, it can run.
    """

    under: ClassVar[tuple[str, ...]] = ()  # a command that starts it, such as `nice`
    module: ClassVar[str] = "taskqueue.supervisor"
    flags: ClassVar[tuple[str, ...]] = ("--port", "0", "--log-format", "json")
    line_bytes: ClassVar[int] = 1 << 24  # a log line may carry a long traceback

    def __init__(self, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        """Say what to start; entering the context starts it and waits until it is ready.

        Args:
            folder: its working folder; `data/tasks.db` is below it.
            arguments: flags after `--port 0 --log-format json`; a flag given again wins.
            env: variables beside this process's own.
        """
        self._folder = folder
        self._arguments = arguments
        self._env = env or {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._complaining: asyncio.Task[bytes] | None = None
        self.events = EventLog()
        self.url = ""

    # --- life -------------------------------------------------------------------------------

    async def launch(self) -> Self:
        """Start the process without waiting for it to be ready."""
        self._process = await self.started(*self.flags, *self._arguments)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._reading = asyncio.create_task(self._read(self._process.stdout))
        self._complaining = asyncio.create_task(self._process.stderr.read())
        return self

    async def started(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start it with these flags, with both streams in pipes."""
        return await asyncio.create_subprocess_exec(
            *self.under,
            sys.executable,
            "-m",
            self.module,
            *arguments,
            cwd=self._folder,
            env=self.env(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=self.line_bytes,
        )

    def env(self) -> dict[str, str]:
        """Return the variables it gets."""
        return self.inherited() | self._env

    def inherited(self) -> dict[str, str]:
        """Return the variables of this process, with its path of modules."""
        return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    async def ready(self) -> Self:
        """Wait until it accepts tasks."""
        self.url = (await self.wait_for("service_ready", timeout_s=READY_TIMEOUT_S))["url"]
        return self

    async def __aenter__(self) -> Self:
        """Start it and wait until it is ready."""
        await self.launch()
        try:
            return await self.ready()
        except BaseException:
            await self.end()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill it if it still runs."""
        await self.end()

    async def end(self) -> None:
        """Kill it if it still runs, and wait for its end."""
        if self._process is not None and self._process.returncode is None:
            self.kill()
        await self.wait()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: no line of it runs after this."""
        self.send(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; wait for the end and return the exit code."""
        self.send(signal.SIGTERM)
        return await self.wait()

    async def wait(self) -> int:
        """Wait for its end and return the exit code; all its events are there then."""
        assert self._process is not None
        assert self._reading is not None
        await self._reading
        await self.complaint()
        return await self._process.wait()

    async def complaint(self) -> str:
        """Return what it wrote on standard error, once it has ended."""
        assert self._complaining is not None
        return (await self._complaining).decode()

    # --- its log ----------------------------------------------------------------------------

    async def wait_for(
        self, event: str, *, timeout_s: float = 20.0, nth: int = 1, **fields: object
    ) -> Event:
        """Return the first event of this name and these fields, or the `nth`, once it is there.

        Raises:
            TimeoutError: it did not come; the text tells what did.
            ServiceEnded: the process ended without it.
        """
        assert self._reading is not None
        arrival = asyncio.create_task(
            self.events.wait_for(event, timeout_s=timeout_s, nth=nth, **fields)
        )
        await asyncio.wait({arrival, self._reading}, return_when=asyncio.FIRST_COMPLETED)
        if not arrival.done() and len(self.events.select(event, **fields)) < nth:
            arrival.cancel()
            raise ServiceEnded(await self.wait(), await self.complaint())
        return await arrival

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        async for line in stdout:
            self.events.record(_event_of(line.decode()))


def _event_of(line: str) -> Event:
    """Return the event of a line; any other line was printed by user code."""
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        event = None
    return event if isinstance(event, dict) else {"event": PRINTED, "text": line.rstrip("\n")}
