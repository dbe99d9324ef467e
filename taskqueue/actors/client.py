"""The way from user code into the running service.

enqueue ─┐
enqueue ─┼─▶ one Enqueue at the end of this turn of the loop ─▶ each its own part of the answer
enqueue ─┘
"""

import asyncio
import threading
from collections.abc import Sequence
from contextvars import Context

from taskqueue.commands import Enqueue
from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.runtime import DEFAULT_ASK_TIMEOUT_S, Address, Reply, request

MAX_TASKS = 1_000  # of several callers in one message, so that its commit stays short


class QueueClient:
    """Enqueues through the queue actor that runs now; usable on every host.

    What is enqueued in one turn of a loop goes to the queue as one message, because a message costs
    more than a task does. There is no timer: no caller is delayed to fill a batch.
    """

    def __init__(self, queue: Address, timeout_s: float = DEFAULT_ASK_TIMEOUT_S) -> None:
        """Make a client whose callers wait for so many seconds at most."""
        self._queue = queue
        self._timeout_s = timeout_s
        self._of_this_thread = _OfThread()

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        """Accept `tasks` as `Storage.insert` does; durable when this returns.

        Raises:
            StorageUnavailable: the storage is away. They may or may not have been accepted.
            ActorError: there is no queue now, or it did not answer; likewise.
        """
        return await self._batch_for(len(tasks)).add(tasks)

    def _batch_for(self, tasks: int) -> "_Batch":
        """Return the batch of this turn, a new one if there is none with room for so many."""
        loop = asyncio.get_running_loop()
        batch = self._of_this_thread.batch
        # A loop that was closed in the middle of a turn has left a batch that is never sent.
        if batch is None or batch.loop is not loop or not batch.has_room_for(tasks):
            batch = self._of_this_thread.batch = _Batch(loop)
            # In no caller's context: the message is not the first one's alone.
            loop.call_soon(self._send, batch, context=Context())
        return batch

    def _send(self, batch: "_Batch") -> None:
        if self._of_this_thread.batch is batch:
            self._of_this_thread.batch = None
        try:
            reply = request(self._queue, Enqueue(tasks=tuple(batch.tasks)))
        except ActorUnavailable as error:
            batch.fail(error)
        else:
            answered = reply.waiter(self._timeout_s)
            answered.add_done_callback(lambda _: self._answer(batch, reply))

    def _answer(self, batch: "_Batch", reply: Reply[tuple[Accepted, ...]]) -> None:
        if not reply.done():
            batch.fail(AskTimeout(str(self._queue), self._timeout_s))
        elif (error := reply.exception()) is not None:
            batch.fail(error)
        else:
            batch.answer(reply.result())


class _Batch:
    """The tasks of some callers, and the future of each caller."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.tasks: list[NewTask] = []
        self._waiting: list[tuple[slice, asyncio.Future[tuple[Accepted, ...]]]] = []

    def has_room_for(self, tasks: int) -> bool:
        """Tell whether so many more do not make it too large."""
        return len(self.tasks) + tasks <= MAX_TASKS

    def add(self, tasks: Sequence[NewTask]) -> "asyncio.Future[tuple[Accepted, ...]]":
        """Take tasks in; the future is their part of the answer."""
        part: asyncio.Future[tuple[Accepted, ...]] = self.loop.create_future()
        start = len(self.tasks)
        self.tasks.extend(tasks)
        self._waiting.append((slice(start, len(self.tasks)), part))
        return part

    def answer(self, accepted: tuple[Accepted, ...]) -> None:
        """Give each caller that still waits its part."""
        for theirs, part in self._waiting:
            if not part.done():
                part.set_result(accepted[theirs])

    def fail(self, error: BaseException) -> None:
        """Raise a copy of `error` for each caller that still waits."""
        for _, part in self._waiting:
            if not part.done():
                part.set_exception(_copy_of(error))


class _OfThread(threading.local):
    batch: _Batch | None = None  # of the loop that runs here, in this turn


def _copy_of(error: BaseException) -> BaseException:
    """Return the same error once more: each who raises it adds its own traceback."""
    copy = type(error).__new__(type(error), *error.args)
    vars(copy).update(vars(error))
    copy.__cause__ = error.__cause__
    return copy
