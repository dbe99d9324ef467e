"""What a consumer has to tell: gathered, because a message costs more than a short task does.

finished ──▶ one report of all that ended ──▶ heard ──▶ the next one, of what ended meanwhile
begun ─────▶ still at it a moment later? ───▶ one note of all such
"""

import asyncio
from collections.abc import Callable, Sequence

from taskqueue.actors.messages import Finished

# What takes less than this has its start told with its end.
NOTE_S = 0.005


class News:
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
        self._begun: dict[str, None] = {}  # in their order
        self._finished: list[Finished] = []
        self._noting: asyncio.TimerHandle | None = None
        self._telling: asyncio.Handle | None = None
        self._on_their_way = 0  # reports

    def begun(self, token: str) -> None:
        """An attempt begins."""
        self._begun[token] = None
        if self._noting is None:
            self._noting = asyncio.get_running_loop().call_later(NOTE_S, self.note)

    def finished(self, finished: Finished) -> None:
        """An attempt has ended."""
        self._begun.pop(finished.delivery.token, None)
        self._finished.append(finished)
        if self._telling is None and not self._on_their_way:
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
        """Note what has begun, now."""
        if self._noting is not None:
            self._noting.cancel()
            self._noting = None
        begun, self._begun = self._begun, {}
        if begun:
            self._note(tuple(begun))

    def _heard(self, reporting: "asyncio.Task[None]") -> None:
        self._on_their_way -= 1
        if not reporting.cancelled():  # else whoever would report it has ended
            self.tell()
