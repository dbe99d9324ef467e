"""How much memory a worker process holds."""

import os
import sys

_MIB = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM_SIZE = 256  # seven numbers


class Memory:
    """How much memory this process holds; kept to its end. A fork has to make its own."""

    def __init__(self) -> None:
        self._statm = _statm()

    def mb(self) -> float | None:
        """Return what is resident, in MiB; None: it cannot be read."""
        if self._statm is None:
            return None
        # Kept open, as it is read after every task: to open it takes twice as long as to read it.
        try:
            pages = _resident(self._statm)
        except (OSError, ValueError, IndexError):  # a handler has closed what was not its own
            self._statm = _statm()
            return self.mb()
        return round(pages * _PAGE / _MIB, 1)


def _statm() -> int | None:
    try:
        return os.open("/proc/self/statm", os.O_RDONLY)
    except FileNotFoundError:
        return None


def _resident(statm: int) -> int:
    return int(os.pread(statm, _STATM_SIZE, 0).split()[1])


def peak_mb(maxrss: int) -> float:
    """Return what `ru_maxrss` says, in MiB."""
    return maxrss / _MIB if sys.platform == "darwin" else maxrss / 1024
