"""A consumer: runs handlers in its slots, on a host of its own.

It has a thread and a loop to itself, so a handler that blocks stops only this consumer: never
supervision, leases or `/health`.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from taskqueue.actors import task_log
from taskqueue.actors.channel import AttemptChannel
from taskqueue.actors.database import StorageClient
from taskqueue.actors.messages import (
    CONSUMERS,
    DATABASE,
    QUEUE,
    CancelAttempt,
    Deliver,
    Finish,
    GetProcesses,
    HandlerCrash,
    Leave,
    Leaving,
    QueueReady,
    Register,
)
from taskqueue.actors.runtime import Actor, ActorRef, Crash, Exit, ask, receives, tell
from taskqueue.app import App
from taskqueue.clock import Clock, SystemClock
from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.executors.attempt import attempt
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.process.pool import ProcessExecutor
from taskqueue.executors.protocol import ConsumerCrash, Executor
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.handler import ExecutorKind
from taskqueue.recycling import ProcessPolicy
from taskqueue.tasks import DEFAULT_QUEUE, Cancelled, Delivery, Interrupted, Outcome
from taskqueue.words import Word

# How long a cancelled handler may take to notice, and how often a lost queue is looked for.
CANCEL_GRACE_S = 2.0
QUEUE_RETRY_S = 0.1


class ConsumerSettings(Word):
    """How a consumer works."""

    queues: tuple[str, ...] = (DEFAULT_QUEUE,)  # those it serves
    slots: int = 1  # handlers at once
    drain_s: float = 30.0  # how long they may run on when it stops
    process: ProcessPolicy = ProcessPolicy()


@dataclass(slots=True, eq=False)
class _Attempt:
    """A delivery from its arrival until the queue has answered that it is settled."""

    delivery: Delivery
    work: asyncio.Task[None]
    begun: bool = False  # a task that is cancelled before its first step never takes one
    handled: bool = False  # there is an outcome; only the queue has to hear of it
    cut_as: Outcome | None = None  # why it is cut, and so its outcome

    def cut(self, outcome: Outcome) -> None:
        """Cancel the handler, if it runs, and keep it from beginning; the first reason counts."""
        self.cut_as = self.cut_as or outcome
        if self.begun and not self.handled:
            self.work.cancel()


class ConsumerActor(Actor):
    """Runs what the queue delivers, and tells the queue what came of it."""

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
        self._slots = settings.slots
        self._queue = self.address(QUEUE)
        self._storage = StorageClient(self.address(DATABASE))
        self._registered_with: ActorRef | None = None
        self._attempts: dict[str, _Attempt] = {}
        self._processes = ProcessExecutor(app, settings.slots, settings.process)
        self._executors: dict[ExecutorKind, Executor] = {
            ExecutorKind.LOOP: LoopExecutor(),
            ExecutorKind.THREAD: ThreadExecutor(settings.slots, name=f"{name}-handler"),
            ExecutorKind.PROCESS: self._processes,
        }

    def on_start(self) -> None:
        """Ask for work."""
        for executor in self._executors.values():
            self.own(executor.close)
        self.join(CONSUMERS)
        self._find_queue()

    async def on_stop(self) -> None:
        """Take nothing more; let handlers run to the deadline, then cut them and hand back.

        Not if a handler took this consumer down: its neighbours in the other slots go with it, so
        that the crash is known at once.
        """
        if isinstance(self.exit_reason, Crash) and isinstance(self.exit_reason.cause, HandlerCrash):
            return
        self._slots = 0
        await self._run_out()
        for each in self._attempts.values():
            each.cut(Interrupted())
        await self._settled_within(CANCEL_GRACE_S)

    @receives(QueueReady)
    def on_queue_ready(self, _: QueueReady) -> None:
        """Register with the new queue actor."""
        self._find_queue()

    @receives(Deliver)
    def on_deliver(self, message: Deliver) -> None:
        """Begin an attempt in a slot for each delivery."""
        for delivery in message.deliveries:
            work = self.start_task(self._attempt(delivery))
            self._attempts[delivery.token] = _Attempt(delivery, work)

    @receives(GetProcesses)
    def on_get_processes(self, _: GetProcesses) -> tuple[int, ...]:
        """Answer with the ids of those that are kept, busy or not."""
        return self._processes.pids

    @receives(CancelAttempt)
    def on_cancel_attempt(self, message: CancelAttempt) -> None:
        """Cut the handler whose task nobody wants any more."""
        self._call_off(message.token, message.reason)

    def _call_off(self, token: str, reason: str) -> None:
        unwanted = self._attempts.get(token)
        # We are told again and again; a handler that is cleaning up shall not be cut in that, too.
        if unwanted is not None and unwanted.cut_as is None:
            unwanted.cut(Cancelled(reason=reason))

    def _find_queue(self) -> ActorRef | None:
        """Return whoever is the queue now, registered with; None if nobody is.

        Each queue actor hears what we are busy with before it hears how that ended.
        """
        queue = self._queue.whereis()
        if queue is not None and queue is not self._registered_with:
            self._registered_with = queue
            running = tuple(each.delivery for each in self._attempts.values())
            tell(
                queue,
                Register(
                    consumer=self.ref,
                    queues=self._settings.queues,
                    slots=self._slots,
                    running=running,
                ),
            )
        return queue

    # --- one attempt ------------------------------------------------------------------------

    async def _attempt(self, delivery: Delivery) -> None:
        """Run the handler, then tell the queue what happened until it has heard."""
        this = self._attempts[delivery.token]
        this.begun = True
        outcome = this.cut_as or await self._run(delivery)
        this.handled = True
        await self._report(delivery, outcome)
        del self._attempts[delivery.token]

    async def _run(self, delivery: Delivery) -> Outcome:
        task_log.attempt_started(delivery.task, self.ref.label)
        channel = AttemptChannel(delivery.token, self._storage, self._clock, self.start_task)
        try:
            return await attempt(self._app, delivery.task, self._executors, channel)
        except asyncio.CancelledError:
            cut_as = self._attempts[delivery.token].cut_as
            if cut_as is None:
                raise
            return cut_as
        except ConsumerCrash as crash:
            raise Exit(Crash(HandlerCrash(delivery.token, crash))) from crash

    async def _report(self, delivery: Delivery, outcome: Outcome) -> None:
        finish = Finish(consumer=self.ref, delivery=delivery, outcome=outcome)
        while True:
            queue = self._find_queue()
            if queue is not None:
                with contextlib.suppress(ActorUnavailable):
                    await ask(queue, finish, timeout_s=None)
                    # A queue that has come since was told that we are busy with this.
                    if queue is self._registered_with:
                        return
                    continue
            await asyncio.sleep(QUEUE_RETRY_S)

    # --- stopping ---------------------------------------------------------------------------

    async def _run_out(self) -> None:
        """Let handlers run to the deadline, but for those whose task is cancelled meanwhile.

        The mailbox is not read any more, so the queue is asked what it has to say.
        """
        deadline = self._clock.monotonic() + self._settings.drain_s
        while True:
            leaving = await self._leave()
            if leaving is not None and leaving.deadline is not None:
                deadline = leaving.deadline
            left_s = deadline - self._clock.monotonic()
            if left_s <= 0 or not self._attempts:
                return
            await self._settled_within(min(left_s, QUEUE_RETRY_S))

    async def _leave(self) -> Leaving | None:
        """Take leave of the queue, and obey its answer; None if there is no queue now."""
        queue = self._find_queue()
        if queue is None:
            return None
        try:
            leaving = await ask(queue, Leave(consumer=self.ref))
        except (ActorUnavailable, AskTimeout):
            return None
        for token, reason in leaving.unwanted.items():
            self._call_off(token, reason)
        return leaving

    async def _settled_within(self, limit_s: float) -> None:
        """Wait for the attempts. The mailbox is not read, so look for a new queue meanwhile."""
        loop = asyncio.get_running_loop()
        end = loop.time() + limit_s
        while True:
            self._find_queue()
            works = [each.work for each in self._attempts.values()]
            left_s = end - loop.time()
            if left_s <= 0 or all(work.done() for work in works):
                return
            await asyncio.wait(works, timeout=min(left_s, QUEUE_RETRY_S))
