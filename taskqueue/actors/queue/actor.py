"""The queue actor: the one place that decides about tasks.

    Enqueue ─▶ insert and claim, commit ─▶ answer; dispatch ─▶ Work, to consumers that wait
    Finish  ─▶ Completer: policy.settlement, settle by token, commit ─▶ answer

All that lasts is in the storage; this actor can die at any line. A new one has the consumers say
what they are busy with, and sees to what is held by nobody.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable

from taskqueue.actors import task_log
from taskqueue.actors.consumer.actor import CANCEL_GRACE_S
from taskqueue.actors.messages import (
    CONSUMERS,
    DATABASE,
    QUEUE,
    CancelAttempt,
    CancelTask,
    Delete,
    DeleteDead,
    Drain,
    Enqueue,
    Finish,
    GetQueues,
    GetReadiness,
    HandlerCrash,
    Leave,
    Leaving,
    Pause,
    QueueReady,
    Redrive,
    RedriveDead,
    Register,
    Resume,
    StorageReady,
    Work,
)
from taskqueue.actors.queue.completer import Completer
from taskqueue.actors.queue.dead_letters import DeadLetters
from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.queue.fetcher import Fetcher
from taskqueue.actors.storage_client import UNREACHABLE, PatientClient
from taskqueue.clock import Clock, SystemClock
from taskqueue.foreign import rendering
from taskqueue.logger import log
from taskqueue.rules.health import QueueState, Readiness
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import (
    Accepted,
    Cancelled,
    CancelResult,
    Crashed,
    Delivery,
    Interrupted,
    Outcome,
    Owner,
)
from taskqueue.runtime import (
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
from taskqueue.storage.protocol import Storage
from taskqueue.structs import Struct


class QueueSettings(Struct):
    """How the queue hands out work."""

    queues: tuple[str, ...]  # those that are served
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
        self._deadline: float | None = None  # until when handlers may run, once we are stopping
        self._queues = settings.queues
        self._dispatch: DispatchBuffer[ActorRef] = DispatchBuffer(
            settings.queues, settings.prefetch, self._clock
        )
        self._unwanted: dict[str, str] = {}  # what runs although its task was cancelled: reasons
        self._nothing_runs = asyncio.Event()  # once we are stopping
        self._dead_letters = DeadLetters(self._storage, self._clock)
        self._completer = Completer(
            self._storage,
            settings.retry,
            self._clock,
            jitter=jitter,
            start_task=self.start_task,
            on_ready=lambda queue, at: self._fetcher.expect_work(queue, at),  # noqa: PLW0108 - it comes next
        )
        self._fetcher = Fetcher(
            owner,
            settings.queues,
            settings.lease_s,
            self._clock,
            storage=self._storage,
            dispatch=self._dispatch,
            completer=self._completer,
            start_task=self.start_task,
            wake=self._wake,
            consumers=lambda: self.members(CONSUMERS),
            unwanted=self._stop_attempt,
        )

    def on_start(self) -> None:
        """Call the consumers in, and begin to serve them."""
        self.own(self._dispatch.shut)  # nobody shall take what the next queue actor sees to
        for consumer in self.members(CONSUMERS):
            self.monitor(consumer)  # one that is blocked may end before it registers
            tell(consumer, QueueReady())
        self.start_task(self._fetcher.serve())

    async def on_stop(self) -> None:
        """Hand back what was never started, and see the last settlements written.

        Not after a crash: the next queue actor sees to all that.
        """
        if self.exit_reason is None or not is_orderly(self.exit_reason):
            return
        self._dispatch.shut()
        await self._fetcher.release_buffer()
        await self._completer.idle()

    # --- accepting --------------------------------------------------------------------------

    @receives(Enqueue, answers=UNREACHABLE, concurrently=True)
    async def on_enqueue(self, message: Enqueue) -> tuple[Accepted, ...]:
        """Answer once the tasks are committed; they are tried from then on."""
        return await self._fetcher.enqueue(message.tasks)

    # --- administering ----------------------------------------------------------------------

    @receives(CancelTask, answers=UNREACHABLE, concurrently=True)
    async def on_cancel_task(self, message: CancelTask) -> CancelResult:
        """End a task, or stop whoever is busy with it."""
        [result] = await self._storage.use(
            Storage.cancel, [message.task_id], reason=message.reason, now=self._clock.now()
        )
        task_log.cancel_asked(result, message.reason)
        if result.token is not None:
            self._stop_attempt(result.token, message.reason)
        return result

    def _stop_attempt(self, token: str, reason: str) -> None:
        """Cancel what is held under a token, if it still is: in the buffer, or by its consumer."""
        for delivery in self._dispatch.drop([token]):
            self._completer.settle(delivery, Cancelled(reason=reason))
        consumer = self._dispatch.runner_of(token)
        if consumer is not None:
            self._unwanted[token] = reason
            tell(consumer, CancelAttempt(token=token, reason=reason))

    @receives(Redrive, answers=UNREACHABLE, concurrently=True)
    async def on_redrive(self, message: Redrive) -> tuple[str, ...]:
        """Queue dead tasks again."""
        redriven = await self._storage.use(Storage.redrive, message.task_ids, now=self._clock.now())
        for task_id in redriven:
            log.info("task_redriven", task_id=task_id)
        self._fetcher.expect_work_everywhere()
        return redriven

    @receives(RedriveDead, answers=UNREACHABLE, concurrently=True)
    async def on_redrive_dead(self, message: RedriveDead) -> int:
        """Queue all dead tasks again that match."""
        redriven = await self._dead_letters.redrive(action=message.action, queue=message.queue)
        log.info("dead_redriven", action=message.action, queue=message.queue, tasks=redriven)
        self._fetcher.expect_work_everywhere()
        return redriven

    @receives(Delete, answers=UNREACHABLE, concurrently=True)
    async def on_delete(self, message: Delete) -> tuple[str, ...]:
        """Delete tasks that have ended."""
        deleted = await self._storage.use(Storage.delete, message.task_ids)
        for task_id in deleted:
            log.info("task_deleted", task_id=task_id)
        return deleted

    @receives(DeleteDead, answers=UNREACHABLE, concurrently=True)
    async def on_delete_dead(self, message: DeleteDead) -> int:
        """Delete all dead tasks that match."""
        deleted = await self._dead_letters.delete(action=message.action, queue=message.queue)
        log.info("dead_deleted", action=message.action, queue=message.queue, tasks=deleted)
        return deleted

    @receives(Pause, answers=UNREACHABLE, concurrently=True)
    async def on_pause(self, message: Pause) -> None:
        """Hand out nothing more of a queue; what runs of it runs on."""
        await self._storage.use(Storage.pause, message.queue, now=self._clock.now())
        log.info("queue_paused", queue=message.queue)
        await self._fetcher.release_buffer(message.queue)

    @receives(Resume, answers=UNREACHABLE, concurrently=True)
    async def on_resume(self, message: Resume) -> None:
        """Hand out tasks of a queue again."""
        await self._storage.use(Storage.resume, message.queue)
        log.info("queue_resumed", queue=message.queue)
        self._fetcher.expect_work(message.queue)

    @receives(GetQueues, answers=UNREACHABLE, concurrently=True)
    async def on_get_queues(self, _: GetQueues) -> tuple[QueueState, ...]:
        """Answer which queues are served, and how they stand."""
        paused = await self._storage.use(Storage.paused)
        return tuple(
            QueueState(name=name, paused_at=paused.get(name), consumers=self._dispatch.serve(name))
            for name in self._queues
        )

    @receives(GetReadiness, concurrently=True)
    async def on_get_readiness(self, _: GetReadiness) -> Readiness:
        """Answer whether tasks can be accepted, stored and worked on."""
        if self._dispatch.is_shut:
            return Readiness(ready=False, reason="the service is stopping")
        try:
            storage = await ask(self.address(DATABASE), GetReadiness())
        except UNREACHABLE as error:
            return Readiness(ready=False, reason=str(error))
        if storage.ready and not self._fetcher.recovered:
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
        self._dispatch.sit(message.consumer, message.slots, message.queues, message.running)
        self._go_on()

    @receives(Leave)
    def on_leave(self, message: Leave) -> Leaving:
        """Give a stopping consumer nothing more; tell it what it would hear if it had an ear."""
        self._dispatch.close(message.consumer)
        return Leaving(deadline=self._deadline, unwanted=dict(self._unwanted))

    @receives(Finish)
    def on_finish(self, message: Finish) -> None:
        """Answer when it is written what became of the deliveries.

        Concluded at once and not concurrently: the end of its consumer may be the next message, and
        must not find what the consumer has told of.
        """
        tokens = [each.delivery.token for each in message.finished]
        for token in tokens:
            self._unwanted.pop(token, None)
        self._completer.settle_all(message.finished, then=self.defer().reply)
        self._dispatch.finish(message.consumer, tokens)
        self._go_on()

    @receives(Down)
    def on_down(self, message: Down) -> None:
        """A consumer is gone: settle for it at once, no clock needed."""
        # The monitor does not know the reason of one that ended before it was watched.
        reason = message.ref.exit_reason or message.reason
        for delivery, started_at in self._dispatch.leave(message.ref):
            self._unwanted.pop(delivery.token, None)
            task_log.rescued(delivery, f"{message.ref} ended: {rendering.text(reason)}")
            outcome = self._outcome_of_end(reason, delivery)
            self._completer.settle(delivery, outcome, started_at)
        self._go_on()

    def _go_on(self) -> None:
        """A slot is free, or a consumer has come or gone."""
        self._wake()
        self._fetcher.look_again()
        if (
            self._dispatch.is_shut
            and not self._dispatch.running
            and not self._fetcher.someone_is_silent()
        ):
            self._nothing_runs.set()

    def _outcome_of_end(self, reason: ExitReason, delivery: Delivery) -> Outcome:
        """Return what happened to a delivery whose consumer ended with `reason`."""
        if is_orderly(reason) or (self._dispatch.is_shut and reason == KILLED):
            return Interrupted()  # our stop cut it
        match reason:
            case Crash(cause=HandlerCrash(token=token)) if token != delivery.token:
                # A neighbour in another slot took the consumer down.
                return Interrupted(holder_died=True)
            case _:
                return Crashed(error=f"consumer ended: {rendering.text(reason)}")

    def _wake(self) -> None:
        """Tell the consumers that wait of what they can take."""
        for consumer in self._dispatch.wake():
            tell(consumer, Work(dispatch=self._dispatch))

    # --- stopping ---------------------------------------------------------------------------

    @receives(Drain, concurrently=True)
    async def on_drain(self, message: Drain) -> None:
        """Hand nothing out any more; answer when nothing runs, or at the deadline."""
        self._deadline = message.deadline
        self._dispatch.shut()
        self.start_task(self._fetcher.release_buffer())
        self._go_on()
        left_s = message.deadline - self._clock.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._nothing_runs.wait()
        self.start_task(self._end_the_deaf())

    async def _end_the_deaf(self) -> None:
        """End the consumers that do not hear that they shall stop.

        They are stopped one by one. A blocked one hears nothing, so their supervisor would wait the
        full limit for each. An idle one may not have been told yet, because the door closes first.
        """
        await asyncio.sleep(1.2 * CANCEL_GRACE_S)  # their own grace, and the way to them
        for consumer in self.members(CONSUMERS):
            if not self._dispatch.is_idle(consumer):
                consumer.kill()
