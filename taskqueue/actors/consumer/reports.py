"""What a consumer has to tell: gathered, because a message costs more than a short task does.

finished ──▶ one report of all that ended ──▶ heard ──▶ another one, of what ended meanwhile
             (at most two on their way)
begun ─────▶ still at it a moment later? ───▶ one note of all such
"""

import asyncio
from collections.abc import Callable, Sequence

from taskqueue.rules.leases.values import Finished

# What takes less than this has its start told with its end.
NOTE_S = 0.005

# While the first is committed, the second waits in the storage for the next commit; with one alone,
# what has just ended would miss that and wait for the one after.
MOST_ON_THEIR_WAY = 2


class ReportBatcher:
    """Beginnings and ends of attempts that nobody has been told of."""

    def __init__(
        self,
        note: Callable[[Sequence[str]], None],
        report: Callable[[Sequence[Finished]], "asyncio.Task[None] | None"],
    ) -> None:
        """Make one without news.

        Args:
            note: hears which tokens have begun and last.
            report: hears what has ended, and returns what is done when that has been heard; None if
                nobody is there to tell any more.
        """
        self._note = note
        self._report = report
        self._begun: dict[str, float] = {}  # in their order, each with when it has lasted
        self._finished: list[Finished] = []
        self._noting: asyncio.TimerHandle | None = None
        self._telling: asyncio.Handle | None = None
        self._on_their_way = 0  # reports

    def begun(self, token: str) -> None:
        """An attempt begins."""
        loop = asyncio.get_running_loop()
        lasts_at = self._begun[token] = loop.time() + NOTE_S
        if self._noting is None:
            self._noting = loop.call_at(lasts_at, self._note_lasting)

    def finished(self, finished: Finished) -> None:
        """An attempt has ended."""
        self._begun.pop(finished.delivery.token, None)
        self._finished.append(finished)
        if self._telling is None and self._on_their_way < MOST_ON_THEIR_WAY:
            self._telling = asyncio.get_running_loop().call_soon(self.tell)

    def tell(self) -> None:
        """Report what has ended, now."""
        self._telling = None
        finished, self._finished = self._finished, []
        if finished:
            reporting = self._report(finished)
            if reporting is not None:
                self._on_their_way += 1
                reporting.add_done_callback(self._heard)

    def note(self) -> None:
        """Note all that has begun, now."""
        if self._noting is not None:
            self._noting.cancel()
            self._noting = None
        self._note_all(tuple(self._begun))

    def _note_lasting(self) -> None:
        """Note what has lasted by now, and look again for the others.

        Where handlers follow each other there is always one that has just begun.
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

    def _heard(self, reporting: "asyncio.Task[None]") -> None:
        self._on_their_way -= 1
        if not reporting.cancelled():  # else whoever would report it has ended
            self.tell()
