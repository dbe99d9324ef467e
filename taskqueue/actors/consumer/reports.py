"""Batches the reports of a consumer, because a message costs more than a short task.

finished ──▶ one report of all that ended ──▶ answered ──▶ another one, of what ended meanwhile
             (at most two in flight that are not late)
begun ─────▶ still running a moment later? ──▶ one note of all such
"""

import asyncio
from collections.abc import Callable, Sequence

from taskqueue.rules.leases.values import Finished

# The start of an attempt that takes less than this is reported with its end.
NOTE_S = 0.005

# While the first is committed, the second waits in the storage for the next commit. With only one
# in flight, attempts that end in the meantime would miss the next commit.
MAX_IN_FLIGHT = 2

# A report is answered when all of its outcomes are written. One of them may wait for a lock that
# another program holds for hours: those that end meanwhile do not wait for it.
LATE_S = 1.0


class ReportBatcher:
    """Starts and outcomes that are not reported yet."""

    def __init__(
        self,
        note: Callable[[Sequence[str]], None],
        report: Callable[[Sequence[Finished]], "asyncio.Task[None] | None"],
    ) -> None:
        """Make one without reports.

        Args:
            note: called with the tokens of attempts that have begun and still run.
            report: called with outcomes; returns a task that ends when they are answered, None if
                the consumer has ended.
        """
        self._note = note
        self._report = report
        self._begun: dict[str, float] = {}  # in order, each with when it has lasted
        self._finished: list[Finished] = []
        self._noting: asyncio.TimerHandle | None = None
        self._reporting: asyncio.Handle | None = None
        self._in_flight: dict[asyncio.Task[None], float] = {}  # not late; each with since when
        self._looking: asyncio.TimerHandle | None = None  # whether one is late

    def begun(self, token: str, *, at: float) -> None:
        """Note that an attempt begins, now or a moment ago by the clock of the loop."""
        lasts_at = self._begun[token] = at + NOTE_S
        if self._noting is None:
            self._noting = asyncio.get_running_loop().call_at(lasts_at, self._note_lasting)

    def finished(self, finished: Finished) -> None:
        """Note that an attempt has ended."""
        self._begun.pop(finished.delivery.token, None)
        self._finished.append(finished)
        if self._reporting is not None:
            return
        if len(self._in_flight) < MAX_IN_FLIGHT:
            self._reporting = asyncio.get_running_loop().call_soon(self.flush)
        elif self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LATE_S, self._look_for_late)

    def flush(self) -> None:
        """Report the ended attempts now."""
        self._reporting = None
        finished, self._finished = self._finished, []
        if not self._begun and self._noting is not None:  # it would wake the loop for nothing
            self._noting.cancel()
            self._noting = None
        if finished:
            reporting = self._report(finished)
            if reporting is not None:
                self._in_flight[reporting] = asyncio.get_running_loop().time()
                reporting.add_done_callback(self._answered)

    def note(self) -> None:
        """Note all begun attempts now."""
        if self._noting is not None:
            self._noting.cancel()
            self._noting = None
        self._note_all(tuple(self._begun))

    def _note_lasting(self) -> None:
        """Note the attempts that have run long enough, and come back for the others.

        While handlers follow each other, one of them has always just begun.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._note_all([token for token, lasts_at in self._begun.items() if lasts_at <= now])
        # Not as soon as the next one has lasted, which would be a note for each of them.
        self._noting = loop.call_at(now + NOTE_S, self._note_lasting) if self._begun else None

    def _note_all(self, tokens: Sequence[str]) -> None:
        for token in tokens:
            del self._begun[token]
        if tokens:
            self._note(tokens)

    def _answered(self, reporting: "asyncio.Task[None]") -> None:
        was_awaited = self._in_flight.pop(reporting, None) is not None
        if was_awaited and not reporting.cancelled():  # else the consumer has ended
            self.flush()

    def _look_for_late(self) -> None:
        """Wait no longer for reports that are late, if something has ended meanwhile."""
        self._looking = None
        if not self._finished:
            return
        loop = asyncio.get_running_loop()
        late_since = loop.time() - LATE_S
        self._in_flight = {
            each: since for each, since in self._in_flight.items() if since > late_since
        }
        if len(self._in_flight) < MAX_IN_FLIGHT:
            self.flush()
        else:
            self._looking = loop.call_later(LATE_S, self._look_for_late)
