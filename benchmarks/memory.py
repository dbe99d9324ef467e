"""How much memory a service has resident, as Linux tells it."""

import os
from pathlib import Path

from taskqueue.testing.process import children_of


def resident_mb(pid: int | None = None) -> float:
    """Return the resident set of a process, this one if None, with all below it, in MB.

    What those below share with others (the interpreter, libraries) counts once, in the first.
    """
    pid = os.getpid() if pid is None else pid
    [resident] = _sizes_kb(Path(f"/proc/{pid}/status"), "VmRSS:")
    return resident / 1024 + sum(map(_own_mb, children_of(pid)))


def _own_mb(pid: int) -> float:
    own = _sizes_kb(Path(f"/proc/{pid}/smaps_rollup"), "Private_")
    return sum(own) / 1024 + sum(map(_own_mb, children_of(pid)))


def _sizes_kb(file: Path, label: str) -> list[int]:
    lines = file.read_text("ascii", "replace").splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith(label)]
