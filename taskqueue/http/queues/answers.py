"""The answers about queues."""

from collections.abc import Mapping, Sequence
from typing import Self

from taskqueue.rules.activity import Recent
from taskqueue.rules.health import QueueState
from taskqueue.rules.summaries import QueueLimit
from taskqueue.rules.tasks import ENDED, Status
from taskqueue.rules.turns import Flow
from taskqueue.structs import Struct

_WAITING_OR_RUNNING = tuple(status for status in Status if status not in ENDED)


class HoldingLimit(Struct):
    """A limit that holds back tasks of a queue.

    `running` are all that count towards it. Up to a thousand of those of the queue that wait for it
    are counted.
    """

    name: str
    running: int
    waiting: int

    @classmethod
    def of(cls, limit: QueueLimit) -> Self:
        """Return the view of a limit in its queue."""
        return cls(name=limit.name, running=limit.running, waiting=limit.waiting)


class QueueView(Struct):
    """A queue as it is shown. `limits` are those that hold back tasks of it.

    With `ageing_s` a task counts as one of the next higher priority after each so many seconds. If
    its tasks take turns, it has flows.
    """

    queue: str
    paused: bool
    paused_at: float | None
    consumers: int
    ageing_s: float | None
    takes_turns: bool
    oldest_runnable_s: float | None
    tasks: Mapping[Status, int]
    recent: Sequence[Recent]
    limits: Sequence[HoldingLimit]

    @classmethod
    def of(
        cls,
        state: QueueState,
        oldest_runnable_s: float | None,
        tasks: Mapping[Status, int],
        recent: Sequence[Recent],
        limits: Sequence[HoldingLimit],
    ) -> Self:
        """Return the view of a queue with so many tasks that have not ended, by status."""
        return cls(
            queue=state.name,
            paused=state.paused_at is not None,
            paused_at=state.paused_at,
            consumers=state.consumers,
            ageing_s=state.ageing_s,
            takes_turns=state.takes_turns,
            oldest_runnable_s=oldest_runnable_s,
            tasks={status: tasks.get(status, 0) for status in _WAITING_OR_RUNNING},
            recent=recent,
            limits=limits,
        )


class Queues(Struct):
    """All queues that are served."""

    queues: Sequence[QueueView]


class FlowView(Struct):
    """A flow whose tasks wait for their turns; `waiting` is a thousand at most."""

    flow: str
    priority: int
    waiting: int
    next_turn: float
    served_turn: float

    @classmethod
    def of(cls, flow: Flow) -> Self:
        """Return the view of a flow."""
        return cls(
            flow=flow.name,
            priority=flow.priority,
            waiting=flow.waiting,
            next_turn=flow.next_turn,
            served_turn=flow.served_turn,
        )


class FlowPage(Struct):
    """Flows of a queue, by priority and name. The page after this one begins behind `next`."""

    flows: Sequence[FlowView]
    next: str | None


class Switched(Struct):
    """Whether a queue is paused now."""

    queue: str
    paused: bool
