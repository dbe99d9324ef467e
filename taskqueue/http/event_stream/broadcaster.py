"""Gathers the events of the service once for all streams, and wakes these when there are more.

any thread ──▶ incoming ──▶ encoded once, into the history ──▶ streams, one after the other

Only what some client wants is subscribed to, so all other events cost what they did.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from taskqueue.events import Event, events
from taskqueue.http.event_stream.feed import Feed
from taskqueue.http.event_stream.filters import EventFilter
from taskqueue.http.event_stream.history import History
from taskqueue.http.event_stream.public import public

LINGER_S = 60.0  # for clients that come back: after a restart of the gateway, or of a proxy
PACE_S = 0.1  # the shortest round over the streams, each of which costs a write per stream
APART_S = 0.001  # between two streams: in a burst they would keep requests and the disk waiting
A_ROUND = 2_000  # events: so many are taken in at most, so that clients can keep up with a burst
A_TURN = 32  # events that are encoded in one turn of the loop
MOST_INCOMING = 20_000  # events that wait for their round; a list of tasks makes 10,000 at once


class Broadcaster:
    """The streams of one service. It belongs to one loop, and outlives the gateway."""

    def __init__(
        self, *, make_history: Callable[[], History] = History, linger_s: float = LINGER_S
    ) -> None:
        """Begin without streams.

        Args:
            make_history: makes what keeps the latest events.
            linger_s: how long events are gathered after the last stream has ended, in seconds.
        """
        self._make_history = make_history
        self._linger_s = linger_s
        self._history = make_history()
        self._feeds: dict[Feed, Callable[[], object]] = {}
        self._incoming: deque[Event | None] = deque()  # None: events were missed there
        self._overflowed = False
        self._is_due = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timers: dict[str, asyncio.Handle] = {}
        self._subscriptions = ExitStack()
        self._is_gathering = False

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._feeds)

    @contextmanager
    def followed(
        self, wanted: EventFilter, after: str | None, wake: Callable[[], object]
    ) -> Iterator[Feed]:
        """Yield the wanted events after the id `after`; from here on, if it is None.

        `wake` is called on the loop when there are more.
        """
        self._begin()
        self._subscribe(wanted)
        feed = Feed(self._history, after, wanted)
        self._feeds[feed] = wake
        try:
            yield feed
        finally:
            del self._feeds[feed]
            if not self._feeds and self._loop is not None:
                self._timers["close"] = self._loop.call_later(self._linger_s, self.close)

    def close(self) -> None:
        """Gather no more events. What was gathered is forgotten; harmless when it is repeated."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._is_gathering = False
        self._subscriptions.close()

    def take_in(self, most: int = A_ROUND) -> None:
        """Encode up to `most` events that have come; streams that take from now on get them."""
        for _ in range(min(len(self._incoming), most)):
            event = self._incoming.popleft()
            if event is None:
                self._history.append_gap()
            elif (seen := public(event)) is not None:
                self._history.append(seen)
        self._overflowed = len(self._incoming) >= MOST_INCOMING

    def _begin(self) -> None:
        """Begin a life, unless one goes on."""
        if (closing := self._timers.pop("close", None)) is not None:
            closing.cancel()
        if not self._is_gathering:
            self._is_gathering = True
            self._loop = asyncio.get_running_loop()
            self._history = self._make_history()
            self._incoming.clear()  # of the subscription before, from threads that were late
            self._overflowed = self._is_due = False

    def _subscribe(self, wanted: EventFilter) -> None:
        """Subscribe to what no stream has wanted before; all others cost no more than without."""
        new = [name for name in wanted.names if not self._history.keeps(name)]
        if new:
            self._subscriptions.enter_context(events.subscribed(self._on_event, *new))

    def _on_event(self, event: Event) -> None:
        """Called on the thread that publishes."""
        if len(self._incoming) < MOST_INCOMING:
            self._incoming.append(event)
        elif not self._overflowed:
            self._overflowed = True
            self._incoming.append(None)
        if not self._is_due and self._loop is not None:  # twice, if two threads meet: harmless
            self._is_due = True
            self._loop.call_soon_threadsafe(self._go_round)

    def _go_round(self) -> None:
        """Encode what has come, and wake the streams."""
        if self._is_gathering and "round" not in self._timers:
            self._encode(A_ROUND)

    def _encode(self, most: int) -> None:
        """Encode up to `most` events, a few a turn, then wake the streams."""
        self.take_in(min(A_TURN, most))
        if self._incoming and most > A_TURN:
            again = partial(self._encode, most - A_TURN)
            self._timers["round"] = asyncio.get_running_loop().call_soon(again)
        else:
            self._wake(deque(self._feeds))

    def _wake(self, feeds: deque[Feed]) -> None:
        """Wake one stream after the other, then rest for what is left of the round."""
        if not feeds:
            self._later(PACE_S - APART_S * len(self._feeds), self._next_round)
            return
        if (wake := self._feeds.get(feeds.popleft())) is not None:
            wake()
        self._later(APART_S, partial(self._wake, feeds))

    def _later(self, delay_s: float, step: Callable[[], object]) -> None:
        self._timers["round"] = asyncio.get_running_loop().call_later(delay_s, step)

    def _next_round(self) -> None:
        del self._timers["round"]
        self._is_due = False  # first: what comes from now on asks for a round of its own
        if self._incoming:
            self._is_due = True
            self._go_round()
