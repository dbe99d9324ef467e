"""Reports what any process does to a file: inotify(7), which only Linux has."""

import ctypes
import errno
import os
import struct
import sys
from contextlib import suppress
from enum import IntFlag
from pathlib import Path
from typing import Self

from taskqueue.process.forks import close_in_children

_ONE_READ = 4096
_EVENT = struct.Struct("iIII")  # struct inotify_event; that of a file ends without a name

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class FileEvent(IntFlag):
    """What can happen to a file. Source: inotify(7), sys/inotify.h."""

    WRITTEN = 0x2  # IN_MODIFY
    TOUCHED = 0x4  # IN_ATTRIB: its times or its owner are set, or one of its names is removed
    RENAMED = 0x800  # IN_MOVE_SELF


def touch(path: Path) -> None:
    """Tell those who watch the file for it, and write nothing. Harmless if it is not there."""
    with suppress(OSError):
        os.utime(path)


def is_touched(path: Path) -> bool:
    """Tell `touch` from another reason for `TOUCHED`: SQLite, run by root, sets the owner.

    That changes the time of the change, but not that of the contents.
    """
    with suppress(OSError):
        status = os.stat(path)  # noqa: PTH116  a third of the cost
        return status.st_mtime_ns == status.st_ctime_ns
    return False


class FileEventWatch:
    """A descriptor that becomes readable when this happens to a file.

    What happens before the next `drain` is one event to the kernel, so a file that is written all
    the time costs its reader no more than it asks for.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def on(cls, path: Path, event: FileEvent) -> Self:
        """Watch the file at `path`.

        Raises:
            OSError: there is no such file, no watch is left, or the system has no inotify.
        """
        if _libc is None:
            raise OSError(errno.ENOSYS, f"{sys.platform} has no inotify")
        watch = cls(_checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)))
        try:
            _checked(_libc.inotify_add_watch(watch.fileno(), os.fsencode(path), event))
        except OSError:
            watch.close()
            raise
        return close_in_children(watch)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def drain(self) -> FileEvent:
        """Return what has happened since the last call."""
        happened = FileEvent(0)
        with suppress(BlockingIOError):
            for _, mask, _, _ in _EVENT.iter_unpack(os.read(self._descriptor, _ONE_READ)):
                happened |= mask
        return happened

    def close(self) -> None:
        """Close the descriptor; harmless when repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
