"""What holds due tasks back, counted by queue and reason. Pure."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from taskqueue.structs import Struct


class Reason(StrEnum):
    """Why a task that is due cannot be claimed."""

    SLOT = "slot"  # the slots of a limit are taken
    RATE = "rate"  # the rate of a limit is spent
    PAUSED = "paused"
    NO_CONSUMER = "no_consumer"


class HeldBack(Struct):
    """So many tasks of a queue are held back for a reason."""

    queue: str
    reason: Reason
    tasks: int


def idle_queues(
    due_at: Mapping[str, float], paused: Collection[str], served: Collection[str], *, now: float
) -> Mapping[str, Reason]:
    """Return the queues from which nothing is claimed, and why.

    Args:
        due_at: when the first waiting task of each queue that is not paused comes due.
        paused: the queues that are paused.
        served: those that a consumer serves.
        now: the instant.

    >>> idle_queues({"a": 1.0, "b": 1.0, "c": 9.0}, {"d"}, {"a"}, now=2.0)
    {'b': <Reason.NO_CONSUMER: 'no_consumer'>, 'd': <Reason.PAUSED: 'paused'>}
    """
    unserved = [queue for queue, at in due_at.items() if at <= now and queue not in served]
    return dict.fromkeys(unserved, Reason.NO_CONSUMER) | dict.fromkeys(paused, Reason.PAUSED)
