"""A disk that fails, hesitates or stops on command, for all processes of a service.

    disk = CommandedDisk.built_in(folder)      # None where there is no C compiler
    service = await services.start(env=disk.env)
    with disk.fault("sync sleep 7000"):
        ...

A fault is a line: CALL KIND ARGUMENT; an empty one stands for a sound disk

    sync sleep 7000     a sync takes so many milliseconds, or until the fault is gone
    sync error 5        it fails with this errno; nothing is synced
    write error 5       a write fails with this errno; nothing is written
    write short 100     a write takes so many bytes at most
    read error 5        a read fails with this errno
    unlink error 5      a file cannot be removed
    clock shift -20     the wall clock differs by so many seconds
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.disk.shim import LASTING, Call, Control, FaultyDisk, Kind, Rule, compiler

_FILES = Kind.DATABASE | Kind.LOG | Kind.JOURNAL
NO_COMPILER = "no C compiler (`cc`) here to build the shim that makes a disk fail"


class CommandedDisk(FaultyDisk):
    """A disk with one fault at a time, for the database in its folder."""

    @classmethod
    def built_in(cls, folder: Path) -> "CommandedDisk | None":
        """Build the shim in `folder`; None where there is no compiler."""
        return None if compiler() is None else cls(folder, folder)

    @contextlib.contextmanager
    def fault(self, line: str) -> Iterator[None]:
        """Have this fault while inside."""
        _inject(self.control, line)
        try:
            yield
        finally:
            self.control.heal()
            self.control.hesitate()


def _inject(control: Control, line: str) -> None:
    match line.split():
        case []:
            pass
        case ["sync", "sleep", ms]:
            control.hesitate(sync_ms=int(ms))
        case ["write", "short", most]:
            control.hesitate(most_bytes=int(most))
        case ["clock", "shift", seconds]:
            control.hesitate(shift_s=int(seconds))
        case [call, "error", number]:
            error = int(number)
            control.inject(Rule(calls=Call[call.upper()], files=_FILES, error=error, times=LASTING))
        case _:
            raise ValueError(f"no fault: {line}")
