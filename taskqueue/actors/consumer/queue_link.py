"""The link to the queue actor: registers with each incarnation, and repeats unanswered reports."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from taskqueue.actors.messages import Finish, Leave, Leaving, Register, SlotsChanged
from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.runtime import ActorRef, Address, Reply, ask, request, tell

# How often a consumer looks for the queue actor while there is none.
QUEUE_RETRY_S = 0.1


class QueueLink:
    """A consumer's access to the queue actor."""

    def __init__(
        self,
        queue: Address,
        begin_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        *,
        registration: Callable[[], Register],
        on_written: Callable[[Finish], None],
    ) -> None:
        """Make a link; no queue actor is looked for yet.

        Args:
            queue: the address of the queue actor.
            begin_task: runs a coroutine as part of the consumer.
            registration: returns the registration for a new queue actor.
            on_written: called once the outcomes of a report are written.
        """
        self._queue = queue
        self._begin_task = begin_task
        self._registration = registration
        self._on_written = on_written
        self._registered_with: ActorRef | None = None
        self.reporting: set[asyncio.Task[None]] = set()
        """One task for each unanswered report."""

    def find(self) -> ActorRef | None:
        """Return the current queue actor, after registering with it; None if there is none.

        So each queue actor receives the running attempts before their outcomes.
        """
        queue = self._queue.whereis()
        if queue is not None and queue is not self._registered_with:
            self._registered_with = queue
            tell(queue, self._registration())
        return queue

    def slots_changed(self, consumer: ActorRef, slots: int) -> None:
        """Send a new number of slots; a new queue actor gets it with the registration."""
        queue = self.find()
        if queue is not None:
            tell(queue, SlotsChanged(consumer=consumer, slots=slots))

    def report(self, finish: Finish) -> asyncio.Task[None] | None:
        """Report outcomes; they are sent when this returns. None if the consumer has ended."""
        try:
            reporting = self._begin_task(self._await_answer(finish, self._send(finish)))
        except ActorUnavailable:  # the queue actor settles what this consumer ran
            return None
        self.reporting.add(reporting)
        reporting.add_done_callback(self.reporting.discard)
        return reporting

    def _send(self, finish: Finish) -> "tuple[ActorRef, Reply[None]] | None":
        queue = self.find()
        return None if queue is None else (queue, request(queue, finish))

    async def _await_answer(
        self, finish: Finish, sent: "tuple[ActorRef, Reply[None]] | None"
    ) -> None:
        """Wait until a report is answered, and send it again to each new queue actor."""
        while True:
            if sent is None:
                await asyncio.sleep(QUEUE_RETRY_S)
            else:
                queue, reply = sent
                with contextlib.suppress(ActorUnavailable):
                    await reply
                    # Else a new one has these as running, from the registration.
                    if queue is self._registered_with:
                        return self._on_written(finish)
            sent = self._send(finish)

    async def leave(self, consumer: ActorRef) -> Leaving | None:
        """Ask the queue actor for no more deliveries; None if it does not answer."""
        queue = self.find()
        if queue is not None:
            with contextlib.suppress(ActorUnavailable, AskTimeout):
                return await ask(queue, Leave(consumer=consumer))
        return None
