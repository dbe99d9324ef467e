"""Ageing: the priority that is served next in a queue where waiting raises a task's priority."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol


class Waiting(Protocol):
    """A task that waits, as far as its place within its priority matters."""

    @property
    def turn(self) -> float:
        """Its turn among flows; those with one come in the order of their turns."""
        ...

    @property
    def run_at(self) -> float:
        """Since when it has waited."""
        ...


class Turn(NamedTuple):
    """A priority that is served until another has waited for longer."""

    priority: int
    ageing_s: float
    until: tuple[float, int]

    def count(self, tasks: Sequence[Waiting]) -> int:
        """Return how many of these tasks, which are the next of the priority, belong to its turn.

        The first always does.
        """
        late = (
            place
            for place, since in enumerate(_waited_since(tasks))
            if place and _aged(self.priority, since, self.ageing_s) > self.until
        )
        return next(late, len(tasks))


def next_turn(heads: Iterable[tuple[int, float | None]], ageing_s: float) -> Turn | None:
    """Return the priority that is served next; None if nothing is due.

    Args:
        heads: since when each priority has waited; None: nothing of it is due.
        ageing_s: after how many seconds a task counts as one of the next higher priority.

    >>> next_turn([(0, 100.0), (1, 95.0)], ageing_s=10.0)
    Turn(priority=0, ageing_s=10.0, until=(105.0, 1))
    """
    order = sorted(
        _aged(priority, since, ageing_s) for priority, since in heads if since is not None
    )
    if not order:
        return None
    (_, priority), until = order[0], (*order, (math.inf, 0))[1]
    return Turn(priority, ageing_s, until)


def _aged(priority: int, since: float, ageing_s: float) -> tuple[float, int]:
    """Return when a task of priority 0 would have begun to wait for the same place."""
    return since + ageing_s * priority, priority


def _waited_since(tasks: Sequence[Waiting]) -> Iterator[float]:
    """Yield for each task since when its priority has waited once those before it are claimed.

    Tasks beyond these may have waited longer still; the next batch is of this priority again then.
    """
    waited = in_turn = math.inf
    found = []
    for task in reversed(tasks):
        if task.turn > 0:
            in_turn = task.run_at
        else:
            waited = min(waited, task.run_at)
        found.append(min(waited, in_turn))
    return reversed(found)
