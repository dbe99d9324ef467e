"""The calls about queues: list, pause and resume them."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Self

from taskqueue.commands import (
    Ask,
    GetDepths,
    GetOldestRunnable,
    GetQueues,
    GetRecent,
    Pause,
    Resume,
)
from taskqueue.http.answers import Answer
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call
from taskqueue.rules.activity import Recent
from taskqueue.rules.health import QueueState
from taskqueue.rules.tasks import ENDED, Status
from taskqueue.structs import Struct

_WAITING_OR_RUNNING = tuple(status for status in Status if status not in ENDED)


class QueueView(Struct):
    """A queue as it is shown."""

    queue: str
    paused: bool
    paused_at: float | None
    consumers: int
    oldest_runnable_s: float | None
    tasks: Mapping[Status, int]
    recent: Sequence[Recent]

    @classmethod
    def of(
        cls,
        state: QueueState,
        oldest_runnable_s: float | None,
        tasks: Mapping[Status, int],
        recent: Sequence[Recent],
    ) -> Self:
        """Return the view of a queue with so many tasks that have not ended, by status."""
        return cls(
            queue=state.name,
            paused=state.paused_at is not None,
            paused_at=state.paused_at,
            consumers=state.consumers,
            oldest_runnable_s=oldest_runnable_s,
            tasks={status: tasks.get(status, 0) for status in _WAITING_OR_RUNNING},
            recent=recent,
        )


class Queues(Struct):
    """All queues that are served."""

    queues: Sequence[QueueView]


class Switched(Struct):
    """Whether a queue is paused now."""

    queue: str
    paused: bool


class QueueRoutes:
    """List, pause and resume queues."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def list_queues(self, _: Call[Any, Any]) -> Answer:
        """List the queues that are served, with their tasks and their last minutes.

        `recent` is counted by this service since its start.
        """
        states = await self._ask(GetQueues())
        oldest = await self._ask(GetOldestRunnable())
        depths = await self._ask(GetDepths())
        views = [
            QueueView.of(
                state,
                oldest.get(state.name),
                depths.get(state.name, {}),
                await self._ask(GetRecent(queue=state.name)),
            )
            for state in states
        ]
        return Answer(Queues(queues=views))

    async def pause_queue(self, call: Call[Any, Any]) -> Answer:
        """Stop dispatching tasks of a queue. It still accepts tasks, and running ones continue."""
        queue = await self._served(call.path["name"])
        await self._ask(Pause(queue=queue))
        return Answer(Switched(queue=queue, paused=True))

    async def resume_queue(self, call: Call[Any, Any]) -> Answer:
        """Dispatch tasks of a queue again."""
        queue = await self._served(call.path["name"])
        await self._ask(Resume(queue=queue))
        return Answer(Switched(queue=queue, paused=False))

    async def _served(self, queue: str) -> str:
        served = [state.name for state in await self._ask(GetQueues())]
        if queue not in served:
            detail = f"No consumer serves {queue!r}; these are served: {', '.join(served)}."
            raise Problem(HTTPStatus.NOT_FOUND, "no such queue", detail)
        return queue
