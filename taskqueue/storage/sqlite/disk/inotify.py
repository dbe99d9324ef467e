"""Reports that a file was written or touched by any process: inotify(7), which only Linux has."""

import ctypes
import errno
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

from taskqueue.process.forks import close_in_children

# Source: inotify(7), sys/inotify.h.
_IN_MODIFY = 0x2
_IN_ATTRIB = 0x4
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of a name: none, if a file is watched
_ONE_READ = 256 * _EVENT.size

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def touch(path: Path) -> None:
    """Tell those who watch the file, and write nothing to it. Harmless if it is not there."""
    with suppress(OSError):
        os.utime(path)


class WriteWatch:
    """A descriptor that becomes readable when the file is written or touched.

    Writes that come before the next `drain` are one event to the kernel, so a file that is written
    all the time costs its reader no more than it asks for.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def on(cls, path: Path) -> Self:
        """Watch the file at `path`.

        Raises:
            OSError: there is no such file, no watch is left, or the system has no inotify.
        """
        if _libc is None:
            raise OSError(errno.ENOSYS, f"{sys.platform} has no inotify")
        watch = cls(_checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)))
        try:
            mask = _IN_MODIFY | _IN_ATTRIB
            _checked(_libc.inotify_add_watch(watch.fileno(), os.fsencode(path), mask))
        except OSError:
            watch.close()
            raise
        return close_in_children(watch)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def drain(self) -> bool:
        """Forget what has happened so far; return whether the file was touched."""
        try:
            happened = os.read(self._descriptor, _ONE_READ)
        except BlockingIOError:
            return False
        return any(mask & _IN_ATTRIB for _, mask, _, _ in _EVENT.iter_unpack(happened))

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
