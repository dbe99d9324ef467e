"""What a consumer has to tell, gathered over a turn of its loop.

What has begun and ended within one turn is told as one thing: how it ended.
"""

import asyncio
from collections.abc import Callable, Sequence

from taskqueue.actors.messages import Finished


class News:
    """Beginnings and ends of attempts that nobody has been told of."""

    def __init__(self, tell: Callable[[Sequence[str], Sequence[Finished]], None]) -> None:
        """Make one without news; `tell` hears which tokens have begun, and what has ended."""
        self._tell = tell
        self._begun: dict[str, None] = {}  # in their order
        self._finished: list[Finished] = []
        self._telling: asyncio.Handle | None = None

    def begun(self, token: str) -> None:
        """An attempt begins."""
        self._begun[token] = None
        self._tell_soon()

    def finished(self, finished: Finished) -> None:
        """An attempt has ended."""
        self._begun.pop(finished.delivery.token, None)
        self._finished.append(finished)
        self._tell_soon()

    def tell(self) -> None:
        """Tell what there is, now."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        begun, self._begun = self._begun, {}
        finished, self._finished = self._finished, []
        if begun or finished:
            self._tell(tuple(begun), finished)

    def _tell_soon(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_soon(self.tell)
