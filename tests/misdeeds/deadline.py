"""Time limits that are fair on a busy machine."""

import contextlib
from pathlib import Path
from time import monotonic

from tests.torture.service_faults import descendants

MOST = 8  # how many times as long as on an idle machine a limit lasts at most
LOOK_S = 0.25  # between two looks at the processes


class Deadline:
    """A time limit that leaves out the time for which the service's threads wait for a processor.

    A service that hangs waits for no processor, so it reaches the same limit on a busy machine as
    on an idle one.
    """

    def __init__(self, pid: int, limit_s: float) -> None:
        """Start the limit.

        Args:
            pid: the service; its descendants count as well.
            limit_s: seconds.
        """
        self._pid = pid
        self._limit_s = limit_s
        self._began_at = self._looked_at = monotonic()
        self._seen = _waits(pid)
        self._waited_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """The time since the start, in seconds, without what was waited for a processor."""
        self._look()
        elapsed_s = monotonic() - self._began_at
        return max(elapsed_s - self._waited_s, elapsed_s / MOST)

    @property
    def is_over(self) -> bool:
        """Whether the limit is reached. Call it often: ended threads cannot be asked any more."""
        if monotonic() > self._looked_at + LOOK_S:
            self._look()
        return monotonic() - self._began_at > self._limit_s < self.elapsed_s

    def _look(self) -> None:
        self._looked_at = monotonic()
        waits = _waits(self._pid)
        self._waited_s += sum(max(0.0, waits[each] - self._seen.get(each, 0.0)) for each in waits)
        self._seen.update(waits)


def _waits(pid: int) -> dict[int, float]:
    """Return how long each thread of a process and its descendants has waited for a processor."""
    waits = {}
    for process in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):  # it has ended
            for thread in Path(f"/proc/{process}/task").iterdir():
                _, waited_ns, _ = (thread / "schedstat").read_text().split()
                waits[int(thread.name)] = int(waited_ns) / 1e9
    return waits
