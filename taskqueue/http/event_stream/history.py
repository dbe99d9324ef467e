"""The latest events, each under a number, so that a reader can go on where it has stopped. Pure."""

import re
from secrets import token_hex

from taskqueue.http.event_stream.public import PublicEvent, gap

MOST = 5_000  # events
MOST_BYTES = 2 << 20

_ID = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})")


class History:
    """The events of one life: as long as they are gathered without a pause.

    An id is the life and a number. An id of another life, or of an event that has made room,
    cannot be gone on from.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        """Begin a life without events.

        Args:
            most: how many events are kept.
            most_bytes: how many bytes of events are kept; the latest one always is.
        """
        self._life = token_hex(4)
        self._most = most
        self._bytes_left = most_bytes
        self._kept: dict[int, PublicEvent] = {}
        self.first = 1
        """The number of the oldest event that is kept."""
        self.next = 1
        """The number of the next event."""

    def append(self, event: PublicEvent) -> None:
        """Add an event; the oldest make room."""
        self._kept[self.next] = event
        self.next += 1
        self._bytes_left -= event.size
        while len(self._kept) > self._most or (self._bytes_left < 0 and len(self._kept) > 1):
            self._bytes_left += self._kept.pop(self.first).size
            self.first += 1

    def append_gap(self) -> None:
        """Add that events were missed."""
        self.append(gap(self.id_of(self.next - 1)))

    def __getitem__(self, number: int) -> PublicEvent:
        """Return a kept event."""
        return self._kept[number]

    def id_of(self, number: int) -> str:
        """Return the id of an event; of the number before the first one, that of the beginning."""
        return f"{self._life}-{number}"

    def number_after(self, event_id: str) -> int | None:
        """Return the number of the event that follows this id; None if events are missing."""
        found = _ID.fullmatch(event_id)
        if found is None or found[1] != self._life:
            return None
        number = int(found[2]) + 1
        return number if self.first <= number <= self.next else None
