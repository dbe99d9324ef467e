"""Gathers the rows that a handler's statement answers, with the digest that tells them apart."""

from hashlib import blake2b

import msgspec

from taskqueue.rules.tasks import Row, Rows

MAX_BYTES = 1024 * 1024
"""What one statement may answer."""


class Answer:
    """The rows of one statement, as they come."""

    def __init__(self) -> None:
        self._digest = blake2b(digest_size=16)
        self._rows: list[Row] = []
        self._bytes = 0

    def add(self, row: Row) -> bool:
        """Add a row; return whether all of them are no more than `MAX_BYTES`."""
        # In MessagePack 1, 1.0, '1' and b'1' differ, and a row tells where it ends.
        encoded = msgspec.msgpack.encode(row)
        self._bytes += len(encoded)
        if self._bytes > MAX_BYTES:
            return False
        self._digest.update(encoded)
        self._rows.append(row)
        return True

    @property
    def rows(self) -> Rows:
        """All of them, with the digest."""
        return Rows(rows=tuple(self._rows), digest=self._digest.hexdigest())
