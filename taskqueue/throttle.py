"""Keeps an event that may come thousands of times a second from filling the log."""

from collections.abc import Callable, Mapping

from taskqueue.clock import Clock
from taskqueue.events import events

PERIOD_S = 1.0


class ThrottledLog:
    """Logs one event at most once a second, with how many were left out since the last: `more`."""

    def __init__(self, event: str, clock: Clock) -> None:
        self._event = event
        self._clock = clock
        self._next_at: float | None = None  # on the monotonic clock
        self._left_out = 0

    def info(self, **fields: object) -> None:
        """Log the event, or count it."""
        self._log(events.info, fields)

    def warning(self, **fields: object) -> None:
        """Log the event as a warning, or count it."""
        self._log(events.warning, fields)

    def _log(self, log: Callable[..., None], fields: Mapping[str, object]) -> None:
        now = self._clock.monotonic()
        if self._next_at is not None and now < self._next_at:
            self._left_out += 1
            return
        more = {"more": self._left_out} if self._left_out else {}
        self._next_at, self._left_out = now + PERIOD_S, 0
        log(self._event, **fields, **more)
