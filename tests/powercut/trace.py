"""Reads the records of the shim."""

import struct
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct("<cxHIQq")  # struct header of tests/disk/shim.c


class Kind(Enum):
    """What was done."""

    WRITE = b"W"
    TRUNCATE = b"T"
    SYNC = b"B"
    SYNCED = b"E"
    SYNC_FAILED = b"F"
    CREATE = b"C"
    UNLINK = b"U"
    RENAME = b"R"
    MAKE_FOLDER = b"M"


class Record(NamedTuple):
    """One call. `end` is where it ends in the trace."""

    end: int
    kind: Kind
    file: int  # the inode
    at: int  # offset, new size, or number of the sync
    name: str
    data: bytes


def records(path: Path) -> Iterator[Record]:
    """Yield all whole records in their order."""
    trace, end = path.read_bytes(), 0
    while end + _HEADER.size <= len(trace):
        kind, name_size, size, file, at = _HEADER.unpack_from(trace, end)
        names = end + _HEADER.size
        data = names + name_size
        end = data + size
        yield Record(end, Kind(kind), file, at, trace[names:data].decode(), trace[data:end])
