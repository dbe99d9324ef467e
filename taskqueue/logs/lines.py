"""Writes lines to a stream, from any thread, each in one piece.

At once, or, while it is `buffered`, those that can wait for a moment in batches:

    with lines.buffered():
        lines.info("soon")
        lines.error("at once, behind what waits")
"""

import contextlib
import io
import os
import queue
import select
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Protocol

# How long a line may wait for others: a wake-up of the writer costs as much as ten lines.
GATHER_S = 0.02

# How much may wait. Who says more than is read writes it himself, and so waits for the reader.
MOST_LINES = 2048
LONG_LINE = 16 << 10

# Other processes write to the same pipe: what is longer may be torn by theirs.
_PIECE = select.PIPE_BUF


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Take a text."""
        ...

    def flush(self) -> object:
        """Have it written."""
        ...

    def fileno(self) -> int:
        """Return the descriptor below."""
        ...

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        ...


class LineWriter:
    """Writes lines in the order in which it gets them, and outlives their reader.

    A line that cannot be written (disk full, reader gone) is lost, and nothing else is.
    """

    def __init__(self, stream: Stream) -> None:
        if isinstance(stream, io.TextIOWrapper):
            # JSON is UTF-8, and no locale shall decide which names of tasks can be logged.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        self._stream = stream
        # Reentrant, and so is each step below: a signal or a finaliser may log in the midst of it.
        self._lock = threading.RLock()
        self._is_writing = False
        self._waiting: deque[str] = deque()
        self._most = 1
        self._writer_told = False
        self._orders: queue.SimpleQueue[bool] = queue.SimpleQueue()  # False: the last one

    def msg(self, line: str) -> None:
        """Write `line`, and whatever waits before it, before this returns."""
        self._waiting.append(line)
        self.flush()

    warning = error = critical = msg

    def info(self, line: str) -> None:
        """Write `line`; while this is buffered, within `GATHER_S` or as soon as the reader can."""
        self._waiting.append(line)
        if len(self._waiting) >= self._most or len(line) > LONG_LINE:
            self.flush()
        elif not self._writer_told:
            self._writer_told = True
            self._orders.put(True)

    debug = info

    def flush(self) -> None:
        """Write what waits. What logs in the midst of a line is written behind it."""
        with self._lock:
            if self._is_writing:
                return
            self._is_writing = True
            try:
                while piece := self._taken():
                    self._write(piece)
            finally:
                self._is_writing = False

    @contextlib.contextmanager
    def buffered(self) -> Iterator[None]:
        """Let a thread write what can wait, until this is left; then nothing waits any more.

        A child that is forked meanwhile inherits no line and writes its own at once: it has no such
        thread, and may end in a way that leaves no time.
        """
        writer = threading.Thread(target=self._write_batches, name="log-writer", daemon=True)
        # Held over the fork, so that the child finds no line half written.
        os.register_at_fork(
            before=self._lock.acquire,
            after_in_parent=self._lock.release,
            after_in_child=self._begin_alone,
        )
        writer.start()
        self._most = MOST_LINES
        try:
            yield
        finally:
            self._most = 1
            self._orders.put(False)
            writer.join()
            self.flush()

    def _write_batches(self) -> None:
        while self._orders.get():
            sleep(GATHER_S)
            # Before it takes the lines: who finds it still set has added his before that.
            self._writer_told = False
            self.flush()

    def _begin_alone(self) -> None:
        self._waiting.clear()
        self._most = 1
        self._is_writing = False  # one that was forked in the midst of a line does not end it
        self._lock.release()

    def _taken(self) -> str:
        """Take what goes into one piece, at least one line if there is any."""
        lines: list[str] = []
        room = _PIECE
        with contextlib.suppress(IndexError):  # there is no more
            while room > 0:
                line = self._waiting.popleft()
                room -= 1 + (len(line) if line.isascii() else len(line.encode(errors="replace")))
                if room < 0 and lines:
                    self._waiting.appendleft(line)
                else:
                    lines.append(line)
        lines.append("")
        return "\n".join(lines)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            self._discard_from_now_on()
        except (OSError, ValueError, RuntimeError):  # ValueError: closed; RuntimeError: reentered
            pass

    def _discard_from_now_on(self) -> None:
        # The interpreter flushes its standard output once more at exit; what the buffer still holds
        # must find a reader, or an orderly stop ends with exit code 120.
        with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())
