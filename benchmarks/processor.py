"""For how long processes have been running on a processor, as Linux tells it."""

from pathlib import Path

from taskqueue.testing.process import children_of


def running_s(pid: int) -> float:
    """Return for how long a process and all below it have been running, in seconds."""
    return _alone_s(pid) + below_s(pid)


def below_s(pid: int) -> float:
    """Return for how long all processes below this one have been running, in seconds."""
    return sum(map(running_s, children_of(pid)))


def _alone_s(pid: int) -> float:
    found = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in found) / 1e9
