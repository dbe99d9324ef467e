"""A deferred answer: an ask that an actor answers after its handler has returned."""

from typing import Any

from taskqueue.runtime.cell import Cell
from taskqueue.runtime.reply import Reply


class Deferred:
    """An ask that is answered later. If the actor ends first, the asker gets `ActorUnavailable`."""

    __slots__ = ("_cell", "_reply")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._reply, cell.current = cell.current, None
        if self._reply is not None:
            if cell.open_replies is None:
                cell.open_replies = set()
            cell.open_replies.add(self._reply)

    def reply(self, answer: Any = None) -> None:
        """Answer."""
        reply = self._take()
        if reply is not None:
            reply.set(answer)

    def fail(self, error: Exception) -> None:
        """Answer with a declared error. If the message was not an ask, it is a crash."""
        reply = self._take()
        if reply is None:
            raise error
        reply.fail(error)

    def _take(self) -> Reply[Any] | None:
        reply, self._reply = self._reply, None
        if reply is not None and self._cell.open_replies is not None:
            self._cell.open_replies.discard(reply)
        return reply
