"""One reader's place in the history: what it has not had yet. Pure."""

from taskqueue.http.event_stream.filters import EventFilter
from taskqueue.http.event_stream.history import History
from taskqueue.http.event_stream.public import gap
from taskqueue.rules.access import Role

STALE = 1_000  # events that were passed over; then the reader gets a later id to come back with


class Feed:
    """The events that follow an id. It holds none of them: they are shared by all readers.

    A reader that is slower than the events falls behind when the history drops what it needs next.
    """

    def __init__(self, history: History, after: str | None, wanted: EventFilter) -> None:
        """Begin after this id; at the end, if it is None. A `gap` is first if any are missing.

        From here on the history keeps what is wanted.
        """
        self._history = history
        number = None if after is None else history.number_after(after, wanted.names)
        history.keep(wanted.names)
        self._gap = None if after is None or number is not None else gap(after)
        self._next = history.next if number is None else number
        self._told = self._next - 1  # the number of the id that the reader knows

    @property
    def is_behind(self) -> bool:
        """Whether events were dropped that it has not had."""
        return self._next < self._history.first

    def skip(self) -> None:
        """Go on at the end; a `gap` is next."""
        self._gap = gap(self._history.id_of(self._told))
        self._next = self._history.next

    def mark(self) -> bytes:
        """Return a block without an event, which gives the reader the id to come back with."""
        if self._gap is not None:
            return b":\n\n"
        self._told = self._next - 1
        return b"id: %b\n\n" % self._history.id_of(self._told).encode()

    def take(self, wanted: EventFilter, role: Role) -> bytes:
        """Return the next events that are wanted and that this role may see; empty if none is.

        It may be one piece of several. The feed must not be behind.
        """
        if self._gap is not None:
            missed, self._gap = self._gap, None
            return missed.block(self._history.id_of(self._next - 1))
        piece = self._history.piece(self._next, wanted, role)
        self._next = piece.next
        if piece.told:
            self._told = piece.told
        elif self._next - self._told > STALE:
            return self.mark()
        return piece.blocks
