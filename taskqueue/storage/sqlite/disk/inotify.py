"""Reports that a file was written, by whatever process: inotify(7), which only Linux has."""

import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import Self

from taskqueue.process.forks import close_in_children

# Source: inotify(7), sys/inotify.h.
_IN_MODIFY = 0x2
_ONE_READ = 4096

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class WriteWatch:
    """A descriptor that becomes readable when the file is written.

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
            _checked(_libc.inotify_add_watch(watch.fileno(), os.fsencode(path), _IN_MODIFY))
        except OSError:
            watch.close()
            raise
        return close_in_children(watch)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def drain(self) -> None:
        """Forget all writes so far."""
        try:
            os.read(self._descriptor, _ONE_READ)
        except BlockingIOError:
            return

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
