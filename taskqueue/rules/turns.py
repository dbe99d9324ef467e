"""Turns: how the flows of a queue share it fairly. Pure.

Fair queueing: each task of a flow gets the turn after the flow's last one. The least turn is served
first, and of equal ones the task that has waited longest. So a flow with 100,000 tasks waiting does
not keep another from its next turn. A flow that comes, or comes back, begins half a turn after the
one that is served now: the others have one start each before it at most, and what they had while it
was away is forgotten.

What a flow has to do again does not queue behind its backlog: it takes turns of its own. So a flow
has two lanes at most.

Where there is no flow there is no turn (0), and what has to be done again (-1) comes first.
"""

from typing import NamedTuple

from taskqueue.structs import Struct

AGAIN = -1.0
"""Of a task that has to be done again; one with a flow gets its turn when it is due."""
NONE = 0.0
NO_TURN = -1.0
"""The latest turn of a lane that has had none."""

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
    is_again: bool

    @property
    def lane(self) -> str:
        """The turns that it takes: those of its flow, or those for what is done again."""
        return lane(self.flow, is_again=self.is_again)


def lane(flow: str, *, is_again: bool) -> str:
    """Return the name of a lane of a flow, in which there is no line break."""
    return f"{flow}\n" if is_again else flow


def next_turn(last: float, served: float, weight: float) -> float:
    """Return the next turn of a lane.

    Args:
        last: the latest turn that the lane was given. One that was before `served` is as good as
            none, which is less than 0.
        served: the turn that was served last, of all flows; 0 if none was.
        weight: how many turns the flow gets for one of a flow of weight 1.

    >>> next_turn(7.0, 3.0, 1.0), next_turn(NO_TURN, 3.0, 1.0), next_turn(NO_TURN, 3.0, 2.0)
    (8.0, 3.5, 3.25)
    """
    return last + 1.0 / weight if last >= served else served + 0.5 / weight
