"""Turns in memory: which the flows were given, and which was served."""

from collections.abc import Iterator

from taskqueue.rules.turns import AGAIN, NO_TURN, lane, next_turn
from taskqueue.storage.memory.rows import Row
from taskqueue.storage.memory.table import Table


class Turns:
    """The turns of the flows in a table."""

    def __init__(self, table: Table) -> None:
        """Know no turn yet."""
        self._table = table
        self._last: dict[tuple[str, int, str], float] = {}
        self._served: dict[tuple[str, int], float] = {}

    def give(self, queue: str, *, now: float) -> None:
        """Give a turn to what has come due."""
        awaiting = [row for row in self._awaiting(queue) if row.task.run_at <= now]
        for row in sorted(awaiting, key=lambda row: (row.task.run_at, row.task.id)):
            lane_of_row = _lane(row)
            row.turn = self._last[lane_of_row] = self._next(row)

    def _awaiting(self, queue: str) -> Iterator[Row]:
        for row in self._table.rows.values():
            is_waiting = row.lease is None and row.task.processed_at is None
            if row.task.queue == queue and row.awaits_turn and is_waiting:
                yield row

    def served(self, queue: str, priority: int) -> float:
        """Return the turn that was served last."""
        return self._served.get((queue, priority), 0.0)

    def of(self, row: Row) -> float:
        """Return the turn of a row, or that which it would get now."""
        return self._next(row) if row.awaits_turn else row.turn or 0.0

    def _next(self, row: Row) -> float:
        last = self._last.get(_lane(row), NO_TURN)
        served = self._served.get((row.task.queue, row.task.priority), 0.0)
        return next_turn(last, served, row.weight)

    def serve(self, row: Row) -> None:
        """Note that a row's turn has come."""
        place = row.task.queue, row.task.priority
        self._served[place] = max(self._served.get(place, 0.0), row.turn or 0.0)


def _lane(row: Row) -> tuple[str, int, str]:
    name = lane(row.flow or "", is_again=row.turn == AGAIN)
    return row.task.queue, row.task.priority, name
