"""The ledger: which tasks have run, and when, whatever queue they came through.

A handler appends a record to a file. One `write` to the end of a file is not torn by another, nor
by the death of its process, so many workers share the ledger and may be killed at any time.
"""

import asyncio
import os
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LOOK_S = 0.005
STALLED_S = 60.0  # without a record, after which there will be none

_PATH = "BENCHMARK_LEDGER"
_RECORD = struct.Struct("<qqq")


def note(number: int) -> None:
    """Be the first line of a handler: record that the task of this number runs now."""
    now = time.monotonic_ns()  # a clock that all processes share
    os.write(_file(), _RECORD.pack(number, now, os.getpid()))


@cache
def _file() -> int:
    return os.open(os.environ[_PATH], os.O_WRONLY | os.O_APPEND)


class Stalled(Exception):
    """Some tasks have not run, and none has for long."""

    def __init__(self, ran: int, wanted: int) -> None:
        self.ran = ran
        self.wanted = wanted
        super().__init__(f"{ran} of {wanted} tasks have run, and none for {STALLED_S:g} s")


@dataclass(frozen=True, slots=True)
class Record:
    """A handler has begun."""

    number: int
    at_s: float  # of the monotonic clock
    process: int


class Ledger:
    """The file, for whoever reads it."""

    def __init__(self, path: Path) -> None:
        """Make it, and have this process and those that it starts write there."""
        path.touch()
        os.environ[_PATH] = str(path)
        self._path = path

    def __len__(self) -> int:
        """Return how often a handler has begun."""
        return self._path.stat().st_size // _RECORD.size

    def records(self, since: int = 0) -> Sequence[Record]:
        """Return the records in their order, without the first `since`."""
        with self._path.open("rb") as file:
            file.seek(since * _RECORD.size)
            read = file.read()
        whole = read[: len(read) // _RECORD.size * _RECORD.size]
        return [Record(n, at_ns / 1e9, pid) for n, at_ns, pid in _RECORD.iter_unpack(whole)]

    async def reaches(self, wanted: int, *, look_s: float = LOOK_S) -> None:
        """Wait until there are so many records.

        Raises:
            Stalled: none has come for a minute.
        """
        ran, ran_at = len(self), time.monotonic()
        while ran < wanted:
            await asyncio.sleep(look_s)
            if (now := len(self)) != ran:
                ran, ran_at = now, time.monotonic()
            elif time.monotonic() - ran_at > STALLED_S:
                raise Stalled(ran, wanted)
