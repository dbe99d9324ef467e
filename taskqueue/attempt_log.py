"""What one attempt has logged: its latest lines, within limits.

A line is kept as the JSON text in which it is stored and shown, so its size is known when it is
added.

ctx.log.info(…)      ──▶ keep ──▶ the log of the service, or of the program around
logging.warning(…)   ──▶ the log of the service ──▶ keep       only where the service has a log
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from threading import RLock
from typing import NamedTuple, TypeAlias

import msgspec

from taskqueue.foreign import rendering
from taskqueue.structs import Struct

MAX_LINES = 100
MAX_BYTES = 16 << 10  # of JSON
MAX_MESSAGE = 2_000  # characters; as JSON these always fit into `MAX_BYTES`

_LONGEST = 500  # characters of a field
_LONGEST_TRACEBACK = MAX_MESSAGE * 3 // 4


class LogLine(Struct):
    """One line: when it was logged, its level (`info`, …), its text with its fields."""

    at: float
    level: str
    message: str


class KeptLog(Struct):
    """The log of an attempt, as it is stored; `dropped` lines came before those."""

    lines: tuple[LogLine, ...]
    dropped: int


class Lines(NamedTuple):
    """Lines as JSON, oldest first, and how many before them were dropped."""

    lines: tuple[bytes, ...]
    dropped: int


_encode = msgspec.json.Encoder().encode


def line_of(*, at: float, level: str, message: str) -> bytes:
    """Return a line as JSON; of a text that is too long the beginning."""
    return _encode(LogLine(at=at, level=level[:20], message=_cut(message)))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 1]}…"


class AttemptLog:
    """The latest lines, for all threads of a handler. The oldest are dropped, and counted."""

    __slots__ = ("_dropped", "_lines", "_lock", "_size")

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._lock = RLock()  # a signal handler may log while its thread does

    def add(self, lines: Lines) -> None:
        """Add lines."""
        with self._lock:
            self._dropped += lines.dropped
            for line in lines.lines:
                self._lines.append(line)
                self._size += len(line)
            while len(self._lines) > MAX_LINES or self._size > MAX_BYTES:
                self._size -= len(self._lines.popleft())
                self._dropped += 1

    def take(self) -> Lines:
        """Return what there is, and begin anew."""
        with self._lock:
            taken = Lines(tuple(self._lines), self._dropped)
            self._lines.clear()
            self._size = self._dropped = 0
        return taken

    def text(self) -> str | None:
        """Return the JSON text of a `KeptLog`; None if nothing was added."""
        if not self._lines:  # as of most attempts
            return None
        with self._lock:
            text = b'{"lines":[%b],"dropped":%d}' % (b",".join(self._lines), self._dropped)
        return text.decode()


Keep: TypeAlias = Callable[[Lines], None]
"""Keeps lines; never waits."""

current: ContextVar[Keep | None] = ContextVar("taskqueue_attempt_log", default=None)
"""Keeps the lines of the attempt whose handler runs in this context."""


def keep(
    keeps: Keep,
    level: str,
    text: object,
    fields: Mapping[str, object],
    error: BaseException | None,
) -> None:
    """Keep a line, whatever its text, its fields and its error are: nothing is raised."""
    said = [
        rendering.text(text),
        *(f"{name}={rendering.shown(value, most=_LONGEST)}" for name, value in fields.items()),
    ]
    message = " ".join(said)
    if error is not None:
        message = f"{message[: MAX_MESSAGE - _LONGEST_TRACEBACK - 1]}\n{_end_of_traceback(error)}"
    line = line_of(at=time.time(), level=rendering.text(level), message=message)
    keeps(Lines((line,), 0))


def _end_of_traceback(error: BaseException) -> str:
    whole = rendering.error_traceback(error, rendering.frames_of(error)).rstrip("\n")
    return whole if len(whole) <= _LONGEST_TRACEBACK else f"…{whole[1 - _LONGEST_TRACEBACK :]}"
