"""How much memory a process has resident, as Linux tells it."""

from pathlib import Path


def resident_mb(pid: int | None = None) -> float:
    """Return the resident set of a process in MB, of this one if None."""
    status = Path(f"/proc/{'self' if pid is None else pid}/status").read_text("ascii", "replace")
    [line] = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
