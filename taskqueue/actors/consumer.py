"""A consumer: runs handlers in its slots, on a host of its own, and tells the queue what came of it.

It has a thread and a loop to itself, so a handler that blocks stops only this consumer: never
supervision, leases or `/health`.
"""

import asyncio

from taskqueue.actors import task_log
from taskqueue.actors.messages import (
    CONSUMERS,
    QUEUE,
    Deliver,
    DrainUntil,
    Finish,
    HandlerCrash,
    Leave,
    QueueReady,
    Register,
)
from taskqueue.actors.runtime import Actor, Crash, Exit, ask, receives, tell
from taskqueue.app import App
from taskqueue.clock import Clock, SystemClock
from taskqueue.context import Context
from taskqueue.errors import ActorUnavailable, InvalidTask, UnknownAction
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.protocol import ConsumerCrash, Executor
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.handler import ExecutorKind
from taskqueue.tasks import Delivery, Failed, Interrupted, Outcome, Rejected
from taskqueue.words import Word

# How long a cancelled handler may take to notice, and how often a lost queue is looked for while
# the mailbox is not read.
CANCEL_GRACE_S = 2.0
QUEUE_RETRY_S = 0.1


class ConsumerSettings(Word):
    """How a consumer works."""

    slots: int = 1  # handlers at once
    drain_s: float = 30.0  # how long they may run on when it stops


class ConsumerActor(Actor):
    """Runs what the queue delivers."""

    trap_exit = True
    dedicated_host = True

    def __init__(
        self, name: str, app: App, settings: ConsumerSettings, clock: Clock | None = None
    ) -> None:
        super().__init__()
        self.label = name
        self._app = app
        self._settings = settings
        self._clock = clock or SystemClock()
        self._queue = self.address(QUEUE)
        self._queue_back = asyncio.Event()
        self._attempts: dict[str, tuple[Delivery, asyncio.Task[None]]] = {}
        self._executors: dict[ExecutorKind, Executor] = {
            ExecutorKind.LOOP: LoopExecutor(),
            ExecutorKind.THREAD: ThreadExecutor(settings.slots, name=f"{name}-handler"),
        }
        self._deadline: float | None = None
        self._interrupting = False

    def on_start(self) -> None:
        """Ask for work."""
        for executor in self._executors.values():
            self.own(executor.close)
        self.join(CONSUMERS)
        self._register()

    async def on_stop(self) -> None:
        """Take nothing more; let handlers run to the deadline, then cut them and hand back."""
        tell(self._queue, Leave(consumer=self.ref))
        await self._finished_within(self._time_left_s())
        self._interrupting = True
        for _, attempt in self._attempts.values():
            attempt.cancel()
        await self._finished_within(CANCEL_GRACE_S)

    @receives(QueueReady)
    def on_queue_ready(self, _: QueueReady) -> None:
        """Register with the new queue actor, and tell it what is unsettled."""
        self._register()
        self._queue_back.set()

    @receives(DrainUntil)
    def on_drain_until(self, message: DrainUntil) -> None:
        """Remember when the whole service wants to be done."""
        self._deadline = message.deadline

    @receives(Deliver)
    def on_deliver(self, message: Deliver) -> None:
        """Begin an attempt in a slot for each delivery."""
        for delivery in message.deliveries:
            attempt = self.start_task(self._attempt(delivery))
            self._attempts[delivery.token] = (delivery, attempt)

    def _register(self) -> None:
        running = tuple(delivery for delivery, _ in self._attempts.values())
        tell(
            self._queue,
            Register(consumer=self.ref, slots=self._settings.slots, running=running),
        )

    # --- one attempt ------------------------------------------------------------------------

    async def _attempt(self, delivery: Delivery) -> None:
        """Run the handler, tell the queue what happened until it has heard."""
        task_log.attempt_started(delivery.task, self.ref.label)
        outcome = await self._run(delivery)
        await self._report(delivery, outcome)
        self._attempts.pop(delivery.token, None)

    async def _run(self, delivery: Delivery) -> Outcome:
        task = delivery.task
        try:
            handler = self._app.handler(task.action)
            arguments = handler.bind(task.payload)
        except UnknownAction as error:
            return Failed(error=str(error))  # another release may know it
        except InvalidTask as error:
            return Rejected(reason=f"data does not fit the handler any more: {error}")
        try:
            return await self._executors[handler.executor].run(handler, Context(task), arguments)
        except asyncio.CancelledError:
            if not self._interrupting:
                raise
            return Interrupted()
        except ConsumerCrash as crash:
            raise Exit(Crash(HandlerCrash(delivery.token, crash))) from crash

    async def _report(self, delivery: Delivery, outcome: Outcome) -> None:
        finish = Finish(consumer=self.ref, delivery=delivery, outcome=outcome)
        while True:
            self._queue_back.clear()
            try:
                await ask(self._queue, finish, timeout_s=None)
            except ActorUnavailable:
                await self._queue_again()
            else:
                return

    async def _queue_again(self) -> None:
        try:
            async with asyncio.timeout(QUEUE_RETRY_S):
                await self._queue_back.wait()
        except TimeoutError:
            return

    # --- stopping ---------------------------------------------------------------------------

    def _time_left_s(self) -> float:
        if self._deadline is None:
            return self._settings.drain_s
        return max(0.0, self._deadline - self._clock.monotonic())

    async def _finished_within(self, limit_s: float) -> None:
        attempts = [attempt for _, attempt in self._attempts.values()]
        if attempts:
            await asyncio.wait(attempts, timeout=limit_s)
