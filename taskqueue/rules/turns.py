"""Turns: how the flows of a queue share it fairly. Pure.

Start-time fair queueing: each task of a flow gets the turn after the flow's last one, or after the
turn that is served now, whichever is later. The least turn is served first. So a flow with 100,000
tasks waiting does not keep another from its next turn, and a flow that was idle has saved up none.
A task that gets no turn (0) comes first, and one that has to be done again (-1) before all others.
"""

from typing import NamedTuple

from taskqueue.structs import Struct

AGAIN = -1.0
NONE = 0.0

# With larger ones a turn would be lost in the rounding of the turns before it.
MIN_WEIGHT, MAX_WEIGHT = 0.001, 1_000.0
WEIGHT_RULE = f"must be a number from {MIN_WEIGHT:g} to {MAX_WEIGHT:,g}"


def is_weight(value: object) -> bool:
    """Tell whether a flow can have this weight."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and MIN_WEIGHT <= value <= MAX_WEIGHT  # type: ignore[operator]


class FlowPlace(NamedTuple):
    """Where a flow stands in the list of all: those of a more urgent priority come first."""

    priority: int
    name: str


FIRST_PLACE = FlowPlace(-(2**63), "")
"""Before all flows."""


class Flow(Struct):
    """A flow that has tasks waiting for their turns.

    Attributes:
        name: what its tasks have in common, such as `tenant=acme`; empty: tasks without a field.
        priority: of these tasks; those of another one have turns of their own.
        waiting: how many there are, up to a thousand.
        next_turn: the turn of the one that is next.
        served_turn: the turn that was served last in this priority, of whatever flow.
    """

    name: str
    priority: int
    waiting: int
    next_turn: float
    served_turn: float


class Waiting(NamedTuple):
    """A task that is due and has no turn yet."""

    seq: int
    priority: int
    flow: str
    weight: float


def next_turn(last: float, served: float, weight: float) -> float:
    """Return the turn of a flow's next task.

    Args:
        last: the latest turn that the flow was given; 0 if it is new.
        served: the turn that was served last, of all flows.
        weight: how many turns the flow gets for one of a flow of weight 1.

    >>> next_turn(7.0, 3.0, 1.0), next_turn(0.0, 3.0, 2.0)
    (8.0, 3.5)
    """
    return max(last, served) + 1.0 / weight
