"""The queue actor: the one place that decides about tasks.

    Enqueue ─▶ insert, commit ─▶ answer ─▶ claim ─▶ buffer ─▶ Deliver to a free slot
    Finish  ─▶ slot free ─▶ Settler: policy.settlement, settle by token, commit ─▶ answer

All that lasts is in the storage; this actor can die at any line. A new one has the consumers say
what they are busy with, and sees to what is held by nobody.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence

import structlog

from taskqueue.actors import task_log
from taskqueue.actors.batcher import Batcher
from taskqueue.actors.claimer import Claimer
from taskqueue.actors.consumer import CANCEL_GRACE_S
from taskqueue.actors.database import UNREACHABLE, PatientClient
from taskqueue.actors.desk import Desk
from taskqueue.actors.messages import (
    CONSUMERS,
    DATABASE,
    QUEUE,
    Deliver,
    Drain,
    Enqueue,
    Finish,
    GetReadiness,
    HandlerCrash,
    Leave,
    QueueReady,
    Redrive,
    Register,
    StorageReady,
)
from taskqueue.actors.runtime import (
    KILLED,
    Actor,
    ActorRef,
    Crash,
    Down,
    ExitReason,
    ask,
    is_orderly,
    receives,
    tell,
)
from taskqueue.actors.settler import Settler
from taskqueue.clock import Clock, SystemClock
from taskqueue.health import Readiness
from taskqueue.policy import RetryPolicy
from taskqueue.storage.protocol import Storage
from taskqueue.tasks import Crashed, Delivery, Interrupted, NewTask, Outcome, Owner
from taskqueue.words import Word

log = structlog.get_logger()


class QueueSettings(Word):
    """How the queue hands out work."""

    queues: tuple[str, ...]  # those that are served, in this order
    prefetch: int = 5
    lease_s: float = 30.0
    retry: RetryPolicy = RetryPolicy()


class QueueActor(Actor):
    """Accepts, claims, hands out, settles and rescues tasks."""

    registered_name = QUEUE
    trap_exit = True

    def __init__(
        self,
        owner: Owner,
        settings: QueueSettings,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._storage = PatientClient(self.address(DATABASE))
        self._inserts: Batcher[tuple[NewTask, ...], None] = Batcher(
            self._insert, self.start_task, answers=UNREACHABLE
        )
        self._deadline: float | None = None  # until when handlers may run, once we are stopping
        self._desk: Desk[ActorRef] = Desk(settings.prefetch)
        self._settler = Settler(
            self._storage,
            settings.retry,
            self._clock,
            jitter=jitter,
            start_task=self.start_task,
            on_ready=lambda at: self._claimer.expect_work(at),  # noqa: PLW0108 - it comes next
        )
        self._claimer = Claimer(
            owner,
            settings.queues,
            settings.lease_s,
            self._clock,
            storage=self._storage,
            desk=self._desk,
            settler=self._settler,
            start_task=self.start_task,
            hand_out=self._hand_out,
            consumers=lambda: self.members(CONSUMERS),
        )

    def on_start(self) -> None:
        """Call the consumers in, and begin to serve them."""
        for consumer in self.members(CONSUMERS):
            tell(consumer, QueueReady())
        self.start_task(self._claimer.serve())

    async def on_stop(self) -> None:
        """Hand back what was never started, and see the last settlements written.

        Not after a crash: the next queue actor sees to all that.
        """
        if self.exit_reason is None or not is_orderly(self.exit_reason):
            return
        self._desk.shut()
        await self._claimer.hand_back_buffer()
        await self._settler.idle()

    # --- accepting --------------------------------------------------------------------------

    @receives(Enqueue, answers=UNREACHABLE, concurrently=True)
    async def on_enqueue(self, message: Enqueue) -> None:
        """Answer once the tasks are committed; they are tried from then on."""
        await self._inserts.add(message.tasks)
        for task in message.tasks:
            self._claimer.expect_work(task.run_at or 0.0)

    async def _insert(self, batch: Sequence[tuple[NewTask, ...]]) -> Sequence[None]:
        tasks = [task for tasks in batch for task in tasks]
        await self._storage.use(Storage.insert, tasks, now=self._clock.now())
        return [None] * len(batch)

    @receives(Redrive, answers=UNREACHABLE, concurrently=True)
    async def on_redrive(self, message: Redrive) -> tuple[str, ...]:
        """Queue dead tasks again."""
        redriven = await self._storage.use(Storage.redrive, message.task_ids, now=self._clock.now())
        for task_id in redriven:
            log.info("task_redriven", task_id=task_id)
        self._claimer.expect_work()
        return redriven

    @receives(GetReadiness, concurrently=True)
    async def on_get_readiness(self, _: GetReadiness) -> Readiness:
        """Answer whether tasks can be accepted and stored."""
        try:
            storage = await ask(self.address(DATABASE), GetReadiness())
        except UNREACHABLE as error:
            return Readiness(ready=False, reason=str(error))
        if storage.ready and not self._claimer.recovered:
            return Readiness(ready=False, reason="the queue is recovering")
        return storage

    @receives(StorageReady)
    def on_storage_ready(self, _: StorageReady) -> None:
        """Go on with whatever waits for the storage."""
        self._storage.is_back()

    # --- the consumers ----------------------------------------------------------------------

    @receives(Register)
    def on_register(self, message: Register) -> None:
        """Seat a consumer."""
        self.monitor(message.consumer)
        self._desk.sit(message.consumer, message.slots, message.running)
        self._hand_out()
        self._claimer.look_again()

    @receives(Leave)
    def on_leave(self, message: Leave) -> float | None:
        """Give a stopping consumer nothing more."""
        self._desk.close(message.consumer)
        return self._deadline

    @receives(Finish, concurrently=True)
    async def on_finish(self, message: Finish) -> None:
        """Free the slot at once; answer when it is written what became of the delivery."""
        written = self._settler.conclude(message.delivery, message.outcome)
        self._desk.finish(message.consumer, message.delivery.token)
        self._hand_out()
        self._claimer.look_again()
        await written

    @receives(Down)
    def on_down(self, message: Down) -> None:
        """A consumer is gone: conclude for it at once, no clock needed."""
        # The monitor does not know the reason of one that ended before it was watched.
        reason = message.ref.exit_reason or message.reason
        for delivery in self._desk.leave(message.ref):
            task_log.rescued(delivery, f"{message.ref} ended: {reason}")
            self._settler.conclude(delivery, self._outcome_of_end(reason, delivery))

    def _outcome_of_end(self, reason: ExitReason, delivery: Delivery) -> Outcome:
        """Return what happened to a delivery whose consumer ended with `reason`."""
        if is_orderly(reason) or (self._desk.is_shut and reason == KILLED):
            return Interrupted()  # our stop cut it
        match reason:
            case Crash(cause=HandlerCrash(token=token)) if token != delivery.token:
                # A neighbour in another slot took the consumer down.
                return Interrupted(holder_died=True)
            case _:
                return Crashed(error=f"consumer ended: {reason}")

    def _hand_out(self) -> None:
        """Give buffered deliveries to free slots."""
        assigned: defaultdict[ActorRef, list[Delivery]] = defaultdict(list)
        for consumer, delivery in self._desk.assign():
            assigned[consumer].append(delivery)
        # On its way to the storage before a consumer hears of the task, so that whoever looks there
        # after the death of this process sees that the task may have begun.
        self._claimer.note_start([d.token for some in assigned.values() for d in some])
        for consumer, deliveries in assigned.items():
            tell(consumer, Deliver(deliveries=tuple(deliveries)))

    # --- stopping ---------------------------------------------------------------------------

    @receives(Drain, concurrently=True)
    async def on_drain(self, message: Drain) -> None:
        """Hand nothing out any more; end those who do not hear that they shall stop."""
        self._deadline = message.deadline
        self._desk.shut()
        await self._claimer.hand_back_buffer()
        # Consumers are stopped one by one. A blocked one hears nothing, so their supervisor would
        # wait the full limit for each.
        await asyncio.sleep(message.deadline + 2 * CANCEL_GRACE_S - self._clock.monotonic())
        for consumer in self.members(CONSUMERS):
            consumer.kill()
