"""The latest events, each under a number, so that a reader can go on where it has stopped. Pure."""

import re
from collections.abc import Collection
from secrets import token_hex
from typing import NamedTuple

from taskqueue.http.event_stream.filters import EventFilter
from taskqueue.http.event_stream.public import FOR_ADMINS, PublicEvent, gap
from taskqueue.rules.access import Role

MOST = 5_000  # events
MOST_BYTES = 2 << 20

_ID = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})")


PIECE_BYTES = 65_536


class Piece(NamedTuple):
    """Some events as they are sent, one after the other."""

    blocks: bytes
    told: int
    """The number of the last event in it; 0 if there is none."""
    next: int
    """The number of the event that follows what was looked at."""


_BOUNDARY = PublicEvent(name="", lines=b"")


class _Kept(NamedTuple):
    event: PublicEvent
    block: bytes


class History:
    """The events of one life: as long as they are gathered without a pause.

    An id is the life and a number. An id of another life, or of an event that has made room,
    cannot be gone on from. Nor can one of the time before the events that are wanted were kept:
    only those that a reader of this life has wanted are.
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
        self._kept: dict[int, _Kept] = {}
        self._kept_from: dict[str, int] = {}  # by the name of events, the number
        self._latest: tuple[tuple[int, EventFilter, Role], Piece] | None = None
        self.first = 1
        """The number of the oldest event that is kept."""
        self.next = 1
        """The number of the next event."""

    def keep(self, names: Collection[str]) -> None:
        """Have events of these names kept from now on, for a reader that wants them."""
        new = [name for name in names if name not in self._kept_from]
        if new and self._kept_from:
            self._append(_BOUNDARY, b"")  # so that ids of before differ from those of after
        self._kept_from |= dict.fromkeys(new, self.next)

    def keeps(self, name: str) -> bool:
        """Return whether events of this name are kept."""
        return name in self._kept_from

    def append(self, event: PublicEvent) -> None:
        """Add an event; the oldest make room."""
        self._append(event, event.block(self.id_of(self.next)))

    def _append(self, event: PublicEvent, block: bytes) -> None:
        self._kept[self.next] = _Kept(event, block)
        self._latest = None
        self.next += 1
        self._bytes_left -= len(block)
        while len(self._kept) > self._most or (self._bytes_left < 0 and len(self._kept) > 1):
            self._bytes_left += len(self._kept.pop(self.first).block)
            self.first += 1

    def append_gap(self) -> None:
        """Add that events were missed."""
        self.append(gap(self.id_of(self.next - 1)))

    def piece(self, start: int, wanted: EventFilter, role: Role) -> Piece:
        """Return the events from `start` on that are wanted and that this role may see.

        It ends with the event that makes it `PIECE_BYTES` long. `start` must be kept. Most readers
        ask for the same piece one after the other, so the latest one is remembered.
        """
        asked = start, wanted, role
        if self._latest is None or self._latest[0] != asked:
            self._latest = asked, self._made(*asked)
        return self._latest[1]

    def _made(self, number: int, wanted: EventFilter, role: Role) -> Piece:
        blocks: list[bytes] = []
        size = told = 0
        while size < PIECE_BYTES and number < self.next:
            event, block = self._kept[number]
            if block and wanted.wants(event) and (role is Role.ADMIN or event.name != FOR_ADMINS):
                blocks.append(block)
                size += len(block)
                told = number
            number += 1
        return Piece(b"".join(blocks), told, number)

    def id_of(self, number: int) -> str:
        """Return the id of an event; of the number before the first one, that of the beginning."""
        return f"{self._life}-{number}"

    def number_after(self, event_id: str, names: Collection[str]) -> int | None:
        """Return the number of the event that follows this id.

        None if events of these names are missing.
        """
        found = _ID.fullmatch(event_id)
        if found is None or found[1] != self._life:
            return None
        number = int(found[2]) + 1
        if not all(self._kept_from.get(name, self.next + 1) <= number for name in names):
            return None
        return number if self.first <= number <= self.next else None
