"""The calls about queues: which there are, and whether their tasks are handed out."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Self

from aiohttp import web

from taskqueue.http.answers import answer
from taskqueue.http.problems import Problem, Unavailable
from taskqueue.http.service import Service
from taskqueue.rules.health import QueueState
from taskqueue.structs import Struct

_READING = Unavailable("queues unavailable")
_PAUSING = Unavailable("failed to pause queue")
_RESUMING = Unavailable("failed to resume queue")


class QueueView(Struct):
    """A queue as it is shown."""

    queue: str
    paused: bool
    paused_at: float | None
    consumers: int

    @classmethod
    def of(cls, state: QueueState) -> Self:
        """Return the view of a queue."""
        return cls(
            queue=state.name,
            paused=state.paused_at is not None,
            paused_at=state.paused_at,
            consumers=state.consumers,
        )


class Queues(Struct):
    """All queues that somebody serves."""

    queues: Sequence[QueueView]


class Switched(Struct):
    """Whether a queue is paused now."""

    queue: str
    paused: bool


class QueueRoutes:
    """What can be seen of queues, and done to them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def list_queues(self, _: web.Request) -> web.StreamResponse:
        """Show the queues that are served."""
        with _READING:
            states = await self._service.queues()
        return answer(Queues(queues=[QueueView.of(state) for state in states]))

    async def pause_queue(self, request: web.Request) -> web.StreamResponse:
        """Hand out nothing more of a queue. It goes on taking tasks in, and what runs runs on."""
        queue = await self._queue_to_switch(request)
        with _PAUSING:
            await self._service.pause(queue)
        return answer(Switched(queue=queue, paused=True))

    async def resume_queue(self, request: web.Request) -> web.StreamResponse:
        """Hand out tasks of a queue again."""
        queue = await self._queue_to_switch(request)
        with _RESUMING:
            await self._service.resume(queue)
        return answer(Switched(queue=queue, paused=False))

    async def _queue_to_switch(self, request: web.Request) -> str:
        queue = request.match_info["name"]
        with _READING:
            served = [state.name for state in await self._service.queues()]
        if queue not in served:
            detail = f"Nobody serves {queue!r}; served are {', '.join(served)}."
            raise Problem(HTTPStatus.NOT_FOUND, "no such queue", detail)
        return queue
