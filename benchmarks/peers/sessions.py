"""A peer that runs: its server, its workers, a producer and the ledger.

    async with session(BY_NAME["huey-redis"]) as peer:
        await peer.producer.enqueue(1)
        await peer.ledger.reaches(1)

The environment of this process names the server and the ledger, so one session is all that it has:
each is measured in a process of its own (`apart`).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, cast, runtime_checkable

from benchmarks.peers.field import Entrant
from benchmarks.peers.ledger import Ledger
from benchmarks.peers.peer import Peer, Producer, set_address

STOPPED_WITHIN_S = 20.0
LOOK_S = 0.01
FIRST = -1  # the number of the task that waits for the workers


class WorkersEnded(Exception):
    """The workers of a peer have ended by themselves; the text is the end of what they wrote."""


@runtime_checkable
class Pausable(Protocol):
    """A producer whose workers are also what accepts its tasks, so they cannot be stopped."""

    async def pause(self) -> None:
        """Have them start no tasks."""

    async def resume(self) -> None:
        """Have them start tasks again."""


class Workers:
    """The process group of a peer's workers."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._log = folder / "workers.log"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start them, if the peer has any outside of its producer."""
        if not self._command:
            return
        paths = os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path]))
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=os.environ | {"PYTHONPATH": paths},
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def require(self) -> None:
        """Make sure that they have not ended.

        Raises:
            WorkersEnded: they have.
        """
        if self._running is not None and self._running.poll() is not None:
            raise WorkersEnded(self._log.read_text(errors="replace")[-4000:])

    def stop(self) -> None:
        """Have them end as their manual says; kill those that do not."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill them all at once, as the OOM killer would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._running is None:
            return
        group = self._running.pid
        if number is signal.SIGTERM and self._running.poll() is None:
            self._running.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._running.wait(STOPPED_WITHIN_S)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._running.wait()
        while _exists(group):
            time.sleep(LOOK_S)
        self._running = None


def _exists(group: int) -> bool:
    """Tell whether a process of this group is left, and is no zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a measurement is made with."""

    producer: Producer
    workers: Workers
    ledger: Ledger

    async def works(self) -> None:
        """Wait until a task has been run and its end is known to the peer.

        Raises:
            WorkersEnded: it cannot be.
        """
        ran = len(self.ledger)
        await self.producer.enqueue(FIRST)
        self.workers.require()
        await self.ledger.reaches(ran + 1)

    async def hold(self) -> None:
        """Have no tasks started until `release`."""
        if isinstance(self.producer, Pausable):
            await self.producer.pause()
        else:
            self.workers.stop()

    async def release(self) -> None:
        """Have them started."""
        if isinstance(self.producer, Pausable):
            await self.producer.resume()
        else:
            self.workers.start()


@asynccontextmanager
async def session(entrant: Entrant) -> AsyncIterator[Session]:
    """Run a peer in a folder of its own, until the block ends; its workers have run a task."""
    with TemporaryDirectory(prefix="peer-") as temporary:
        folder = Path(temporary)
        with entrant.server(folder) as url:
            set_address(url + entrant.options)
            ledger = Ledger(folder / "ledger")
            peer = cast(Peer, import_module(entrant.module))
            workers = Workers(peer.worker(), folder)
            workers.start()
            try:
                async with peer.producing() as producer:
                    running = Session(producer=producer, workers=workers, ledger=ledger)
                    await running.works()
                    yield running
            finally:
                workers.kill()
