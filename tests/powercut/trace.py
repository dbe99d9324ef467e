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


def records(path: Path, since: int = 0) -> Iterator[Record]:
    """Yield all whole records, from the end of one of them on, in their order."""
    with path.open("rb") as file:
        file.seek(since)
        trace, end = file.read(), 0
    while end + _HEADER.size <= len(trace):
        kind, name_size, size, inode, at = _HEADER.unpack_from(trace, end)
        names = end + _HEADER.size
        data = names + name_size
        end = data + size
        if end <= len(trace):
            name = trace[names:data].decode()
            yield Record(since + end, Kind(kind), inode, at, name, trace[data:end])
