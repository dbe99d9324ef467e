"""The open connections: how many there may be, and which is closed to make room."""

from collections.abc import Iterator
from typing import Protocol

from taskqueue.http.server.limits import Limits

# One pass over all connections closes so many of them that the next passes are rare.
_BATCH = 16


class Waiting(Protocol):
    """A connection as it is seen here."""

    held: int

    def waits_since(self) -> float | None:
        """Return since when it has waited for its client, None while we work for it."""
        ...

    def is_overdue(self, now: float) -> bool:
        """Tell whether its client has used up its time."""
        ...

    def cut(self) -> None:
        """Close it at once and drop what has not been sent."""
        ...


class Connections:
    """All connections of one server."""

    def __init__(self, limits: Limits, most: int) -> None:
        """Begin with none; there may be `most` of them."""
        self.limits = limits
        self.most = most
        self.open: set[Waiting] = set()
        self._held = 0

    def make_room(self) -> int:
        """Close those that have waited longest, if all places are taken; return how many."""
        if len(self.open) < self.most:
            return 0
        return self.close_longest_waiting()

    def close_longest_waiting(self) -> int:
        """Close a few of those that have waited longest for their clients; return how many."""
        return self._cut(list(self._longest_waiting())[: max(1, min(_BATCH, self.most // 16))])

    def close_overdue(self, now: float) -> int:
        """Close those whose clients have used up their time; return how many."""
        return self._cut([each for each in self.open if each.is_overdue(now)])

    def hold(self, connection: Waiting, size: int) -> None:
        """Count `size` bytes that are kept in memory until a client has sent or read the rest.

        If that is too much for all of them together, those that have waited longest are closed.
        """
        connection.held += size
        self._held += size
        if self._held > self.limits.max_held_bytes:
            for each in list(self._longest_waiting()):
                if self._held <= self.limits.max_held_bytes:
                    break
                if each.held:
                    self._cut([each])

    def release(self, connection: Waiting) -> None:
        """Count nothing for this connection any more."""
        self._held -= connection.held
        connection.held = 0

    def forget(self, connection: Waiting) -> None:
        """Take a closed connection out."""
        self.release(connection)
        self.open.discard(connection)

    def _cut(self, connections: list[Waiting]) -> int:
        for each in connections:
            each.cut()
            self.forget(each)
        return len(connections)

    def _longest_waiting(self) -> Iterator[Waiting]:
        since = [(at, id(each), each) for each in self.open if (at := each.waits_since())]
        return (each for _, _, each in sorted(since))
