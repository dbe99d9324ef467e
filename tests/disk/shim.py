"""Builds the disk shim, and tells its processes through shared memory what is to fail."""

import errno
import mmap
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")
_LAYOUT = struct.Struct("13i")  # struct control of shim.c, up to its lock
LASTING = 10**9  # times
_ROOM = 4096
_SYNCED_US = 500  # how long a sync takes: time for other processes to write meanwhile


class Call(IntFlag):
    """What can be made to fail."""

    WRITE = 1
    READ = 2
    SYNC = 4
    UNLINK = 8
    TRUNCATE = 16


class Kind(IntFlag):
    """The files of a database, by their names."""

    DATABASE = 1
    LOG = 2
    JOURNAL = 4
    FOLDER = 8
    ANY = 15


NOTHING = Kind(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which calls fail: `times` of them, after `skip` have passed."""

    calls: Call
    files: Kind
    error: int = errno.EIO
    skip: int = 0
    times: int = 1
    partial: bool = False  # of the first write, half is done

    @property
    def lasts(self) -> bool:
        """Whether it ends only when it is healed."""
        return self.times == LASTING


def compiler() -> str | None:
    """Return the system's C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


class Control:
    """The memory that the processes of a shim share: what is to fail, and how often it has."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _ROOM)

    @classmethod
    def made(cls, path: Path) -> "Control":
        """Make the file for it. Nothing fails yet."""
        path.write_bytes(_LAYOUT.pack(0, _SYNCED_US, *(0,) * 11).ljust(_ROOM, b"\0"))
        return cls(path)

    @classmethod
    def inherited(cls) -> "Control":
        """Return that of the shim under which this process runs."""
        return cls(Path(os.environ["DISK_CONTROL"]))

    def inject(self, rule: Rule) -> None:
        """Let calls fail from now on."""
        fields = (rule.calls, rule.files, rule.skip, 0, rule.error, rule.partial, 0)
        struct.pack_into("7i", self._shared, 12, *fields)
        struct.pack_into("i", self._shared, 24, rule.times)  # last: it arms the others

    def heal(self) -> None:
        """Let nothing fail any more."""
        struct.pack_into("i", self._shared, 24, 0)

    def pretend(self, files: Kind) -> None:
        """Have the disk say of files of this kind that they are synced, and not sync them."""
        struct.pack_into("i", self._shared, 8, files)

    def hesitate(self, *, sync_ms: int = 0, most_bytes: int = 0, shift_s: int = 0) -> None:
        """Have a sync take so long, a write take so many bytes at most, and the clock be shifted.

        Zero stands for what a sound disk and clock do.
        """
        struct.pack_into("3i", self._shared, 40, sync_ms, most_bytes, shift_s)

    @property
    def injected(self) -> int:
        """How many calls have failed since the latest rule."""
        return int(struct.unpack_from("i", self._shared, 36)[0])


class FaultyDisk:
    """The shim for the processes of one folder."""

    def __init__(self, folder: Path, root: Path) -> None:
        """Build it in `folder`, for what is written below `root`."""
        self._root = root
        self._library = folder / "shim.so"
        self._control = folder / "control"
        self.control = Control.made(self._control)
        command = ("-shared", "-fPIC", "-O1", "-o", self._library, _SOURCE, "-ldl", "-lpthread")
        subprocess.run([compiler() or "cc", *command], check=True)

    @property
    def env(self) -> dict[str, str]:
        """The variables of a process that writes to this disk, and of all that it starts."""
        return {
            "LD_PRELOAD": str(self._library),
            "DISK_ROOT": str(self._root),
            "DISK_CONTROL": str(self._control),
        }


class Shim(FaultyDisk):
    """A disk that never syncs, and records what is written: `trace` has it all."""

    def __init__(self, folder: Path, root: Path) -> None:
        """Build it in `folder`, for what is written below `root`."""
        super().__init__(folder, root)
        self.trace = folder / "trace"
        self.trace.touch()

    @property
    def env(self) -> dict[str, str]:
        """The variables of a process that is recorded, and of all that it starts."""
        return {**super().env, "DISK_TRACE": str(self.trace)}

    @property
    def now(self) -> int:
        """Where the trace ends: what is acknowledged by now rests on what stands before."""
        return os.stat(self.trace).st_size  # noqa: PTH116
