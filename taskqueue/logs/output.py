"""Writes to a standard stream, for as long as there is a reader.

Workers write their events to the same stream as the service. A pipe keeps only 4 KiB together, so
all our processes lock it: none tears a longer line of another. What user code writes there, through
`sys.stdout`, takes no lock.
"""

import contextlib
import fcntl
import os
import select
import stat
from collections.abc import Iterator
from time import monotonic, sleep
from weakref import WeakSet

from taskqueue.process import origin

# How often a writer that waits for its reader looks whether it shall go on waiting.
_LOOK_S = 0.1

# How long a reader may take nothing before lines are lost, once the process is to end.
STALL_S = 0.5

# How long to wait before another try to lock a pipe that another process is writing to.
_TURN_S = 0.001


class Output:
    """Writes to what a standard descriptor stood for when the process began.

    Each text is written whole, even if others have made the descriptor non-blocking. It waits for
    its reader as long as it takes, unless the process is to end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = _for_writing(origin.stream(descriptor))
        self._is_pipe = stat.S_ISFIFO(os.fstat(self._descriptor).st_mode)
        if self._is_pipe:
            _pipes.add(self)
        self._waits = True
        self._stalled = False  # since then nothing was taken
        self._torn = False

    def fileno(self) -> int:
        """Return its own descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        """Write `text` as UTF-8.

        Raises:
            OSError: it cannot be written; some of it may have been.
        """
        data = text.encode("utf-8", "backslashreplace")
        rest = memoryview(b"\n" + data if self._torn else data)
        with self._locked() as is_ours:
            while is_ours and rest and self._is_ready():
                with contextlib.suppress(BlockingIOError):  # user code has filled it meanwhile
                    rest = rest[os.write(self._descriptor, rest) :]
                    self._torn = self._stalled = False
        self._torn = 0 < len(rest) < len(data)
        return len(text)

    def flush(self) -> None:
        """Do nothing: all is written."""

    def stop_waiting(self) -> None:
        """Lose what a reader does not take within `STALL_S`. For a signal handler, too."""
        self._waits = False

    def reopen(self) -> None:
        """Get a lock of its own: that of a descriptor is shared by all that are forked from it."""
        with contextlib.suppress(OSError):  # it belongs to another user, or has no reader
            own = _opened_again(self._descriptor)
            os.dup2(own, self._descriptor, inheritable=False)
            os.close(own)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Keep our other processes from writing in the block; yield False if that is given up.

        A process that waits for the reader holds the lock, so waiting for the lock is waiting for
        the reader.
        """
        if not self._is_pipe:
            yield True
            return
        if not self._lock():
            yield False
            return
        try:
            yield True
        finally:
            self._unlock()

    def _lock(self) -> bool:
        ends_at = None
        while not self._try_lock():
            if not self._waits:
                ends_at = ends_at or monotonic() + STALL_S
                if self._stalled or monotonic() >= ends_at:
                    return False
            sleep(_TURN_S)
        return True

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _is_ready(self) -> bool:
        """Wait until something can be written; False if that is given up."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        ends_at = None
        while not poll.poll(0 if self._stalled else _LOOK_S * 1000):
            if self._waits:
                continue
            ends_at = ends_at or monotonic() + STALL_S
            self._stalled = self._stalled or monotonic() >= ends_at
            if self._stalled:
                return False
        return True


def _for_writing(descriptor: int) -> int:
    """Return a copy; of a pipe one that does not block, without making others' non-blocking."""
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        with contextlib.suppress(OSError):  # it belongs to another user, or has no reader
            return _opened_again(descriptor)
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 0)


def _opened_again(descriptor: int) -> int:
    return os.open(f"/dev/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)


_pipes: WeakSet[Output] = WeakSet()


def _reopen_pipes() -> None:
    for each in list(_pipes):
        each.reopen()


os.register_at_fork(after_in_child=_reopen_pipes)
