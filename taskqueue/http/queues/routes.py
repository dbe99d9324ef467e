"""The calls about queues: list, pause and resume them, show consumers and flows."""

from http import HTTPStatus
from typing import Any

from taskqueue.commands import (
    Ask,
    ChangePoolSize,
    GetDepths,
    GetFlows,
    GetOldestRunnable,
    GetPoolSize,
    GetQueueLimits,
    GetQueues,
    GetRecent,
    Pause,
    Resume,
)
from taskqueue.errors import Fault, TooManyConsumers
from taskqueue.http.answers import Answer
from taskqueue.http.problems import Problem
from taskqueue.http.queues.answers import (
    FlowPage,
    FlowView,
    HoldingLimit,
    Queues,
    QueueView,
    Switched,
)
from taskqueue.http.queues.requests import FlowsRequest, cursor_of
from taskqueue.http.route import Call
from taskqueue.rules.sizes import SizeChange


class QueueRoutes:
    """List, pause and resume queues, show and change the consumers that serve them."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def list_queues(self, _: Call[Any, Any]) -> Answer:
        """List the queues that are served, with their tasks and their last minutes.

        `recent` is counted by this service since its start.
        """
        states = await self._ask(GetQueues())
        oldest = await self._ask(GetOldestRunnable())
        depths = await self._ask(GetDepths())
        limits = await self._ask(GetQueueLimits())
        views = [
            QueueView.of(
                state,
                oldest.get(state.name),
                depths.get(state.name, {}),
                await self._ask(GetRecent(queue=state.name)),
                [HoldingLimit.of(limit) for limit in limits if limit.queue == state.name],
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

    async def show_consumers(self, call: Call[Any, Any]) -> Answer:
        """Show how many consumers serve a queue, with how many slots, and whether a call set that.

        Queues without consumers of their own share theirs; `queues` names them.
        """
        size = await self._ask(GetPoolSize(queue=call.path["name"]))
        if size is None:
            raise await self._no_queue(call.path["name"])
        return Answer(size)

    async def resize_consumers(self, call: Call[SizeChange, Any]) -> Answer:
        """Change how many consumers serve a queue, and how many handlers each runs at once.

        Both hold over restarts of the service, whatever is configured; with null the configured
        number holds again. No handler is interrupted by fewer slots, and consumers that are removed
        finish their running tasks first.
        """
        queue = call.path["name"]
        try:
            size = await self._ask(ChangePoolSize(queue=queue, change=call.body))
        except TooManyConsumers as error:
            raise Problem.invalid("invalid request", (Fault("count", str(error)),)) from error
        if size is None:
            raise await self._no_queue(queue)
        return Answer(size, HTTPStatus.ACCEPTED)

    async def list_flows(self, call: Call[Any, FlowsRequest]) -> Answer:
        """List the flows of a queue whose tasks wait for their turns, by priority and name.

        A flow with the least `next_turn` of its priority is next. What has to be done again, or is
        not due yet, waits for no turn.
        """
        queue, most = await self._served(call.path["name"]), call.query.limit
        found = await self._ask(GetFlows(queue=queue, after=call.query.cursor, limit=most + 1))
        following = cursor_of(found[most - 1]) if len(found) > most else None
        return Answer(FlowPage(flows=[FlowView.of(each) for each in found[:most]], next=following))

    async def _served(self, queue: str) -> str:
        if queue not in await self._names():
            raise await self._no_queue(queue)
        return queue

    async def _no_queue(self, queue: str) -> Problem:
        served = ", ".join(await self._names())
        detail = f"No consumer serves {queue!r}; these are served: {served}."
        return Problem(HTTPStatus.NOT_FOUND, "no such queue", detail)

    async def _names(self) -> list[str]:
        return [state.name for state in await self._ask(GetQueues())]
