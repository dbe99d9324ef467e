"""Rows as a copy reads them: the same in every engine, in chunks, with a checksum.

Flags are 0 or 1, and how long a task holds its unique key is a text. A lease is copied as one that
has expired, so the first service at the target rescues the task, as after a crash.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec

from taskqueue.storage.copying.tables import TASKS, Table
from taskqueue.structs import Struct

Row: TypeAlias = tuple[Any, ...]
Key: TypeAlias = tuple[Any, ...]

CHUNK_ROWS = 5_000
CHUNK_BYTES = 8 * 1024 * 1024
"""A chunk is full with the first row that reaches either."""

COPIED = "copied"
"""The node and incarnation of leases in a copy."""

_SEQ, _TOKEN, _UNTIL = map(TASKS.place, ("seq", "token", "unique_until"))
_CLAIMED_AT, _EXPIRES_AT = map(TASKS.place, ("claimed_at", "expires_at"))
_NODE, _INCARNATION = map(TASKS.place, ("node", "incarnation"))

_encode = msgspec.msgpack.Encoder().encode


class Summary(Struct):
    """How many rows a table has, and a checksum over all of them in the order of their keys."""

    rows: int
    checksum: str


class Digest:
    """Sums up the rows of a table."""

    def __init__(self) -> None:
        self._rows = 0
        self._hash = blake2b(digest_size=16)

    def add(self, rows: Iterable[Row]) -> int:
        """Add the next rows; return how many they were."""
        encoded = [*map(_encode, rows)]
        self._hash.update(b"".join(encoded))
        self._rows += len(encoded)
        return len(encoded)

    @property
    def summary(self) -> Summary:
        """The sum of what was added so far."""
        return Summary(rows=self._rows, checksum=self._hash.hexdigest())


class Chunk:
    """Rows that are written in one commit: many small ones, or a few large ones."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._bytes = 0

    def add(self, row: Row) -> bool:
        """Add a row; return whether the chunk is full now."""
        self.rows.append(row)
        self._bytes += len(_encode(row))
        return len(self.rows) >= CHUNK_ROWS or self._bytes >= CHUNK_BYTES


def key_of(table: Table, row: Row) -> Key:
    """Return the primary key of a row."""
    return tuple(row[table.place(column)] for column in table.key)


def canonical(table: Table, row: Row) -> Row:
    """Return a row of an engine as every engine would give it. Twice is as good as once."""
    if table is not TASKS or (row[_TOKEN] is None and row[_UNTIL] is None):
        return row
    values = list(row)
    values[_UNTIL] = until_text(row[_UNTIL])
    if row[_TOKEN] is not None:
        values[_TOKEN] = f"{row[_SEQ]:x}-{COPIED}"
        values[_NODE] = values[_INCARNATION] = COPIED
        values[_EXPIRES_AT] = row[_CLAIMED_AT]
    return tuple(values)


def until_text(until: str | float | None) -> str | None:
    """Return how long a unique key is held as a text: an event, or seconds.

    >>> until_text("ended"), until_text(3600), until_text("3600"), until_text(None)
    ('ended', '3600.0', '3600.0', None)
    """
    value = until_value(until)
    return value if value is None or isinstance(value, str) else repr(value)


def until_value(until: str | float | None) -> str | float | None:
    """Return how long a unique key is held, its seconds as a number.

    >>> until_value("ended"), until_value("3600.0")
    ('ended', 3600.0)
    """
    if until is None:
        return None
    try:
        return float(until)
    except ValueError:
        return until
