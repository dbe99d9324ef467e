"""How much memory a process has resident, as Linux tells it."""

import os
from pathlib import Path


def resident_mb(pid: int | None = None) -> float:
    """Return the resident set of a process, this one if None, and of all below it, in MB.

    What they share counts for each of them.
    """
    pid = os.getpid() if pid is None else pid
    status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    [line] = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    children = (
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    )
    return int(line.split()[1]) / 1024 + sum(map(resident_mb, children))
