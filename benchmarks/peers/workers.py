"""The workers of a peer: processes that are started, frozen and killed together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

LOOK_S = 0.01


class WorkersEnded(Exception):
    """Workers have ended by themselves; the text is the end of what they wrote."""


class Workers:
    """A fleet of workers, each with the processes that it starts."""

    def __init__(
        self, command: Callable[[int], Sequence[str]], folder: Path, *, count: int = 1
    ) -> None:
        """Say what to start: the command of each number from 0 on, if there is one."""
        self._commands = [made for number in range(count) if (made := command(number))]
        self._folder = folder
        self._log = folder / "workers.log"
        self._running: list[subprocess.Popen[bytes]] = []

    def __len__(self) -> int:
        """Return how many there are; none if the producer does their work."""
        return len(self._commands)

    def start(self) -> None:
        """Start them, each as the leader of a process group."""
        paths = os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path]))
        with self._log.open("ab") as log:
            self._running = [
                subprocess.Popen(
                    command,
                    cwd=self._folder,
                    env=os.environ | {"PYTHONPATH": paths},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
                for command in self._commands
            ]

    def require(self) -> None:
        """Make sure that none has ended.

        Raises:
            WorkersEnded: one has.
        """
        if any(process.poll() is not None for process in self._running):
            raise WorkersEnded(self._log.read_text(errors="replace")[-4000:])

    def freeze(self) -> None:
        """Have them do nothing until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have them go on, all at once."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill them all at once, as the OOM killer would, and wait until they are gone."""
        self._signal(signal.SIGKILL)
        for process in self._running:
            process.wait()
            while _exists(process.pid):
                time.sleep(LOOK_S)
        self._running = []

    def _signal(self, number: signal.Signals) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)


def _exists(group: int) -> bool:
    """Tell whether a process of this group is left, and is no zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                return True
    return False
