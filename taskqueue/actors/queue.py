"""The queue actor: the one place that decides about tasks.

    Enqueue ─▶ insert, commit ─▶ answer ─▶ wake ─▶ claim ─▶ buffer ─▶ Deliver to a free slot
    Finish  ─▶ slot free ─▶ policy.settlement ─▶ settle by token, commit ─▶ answer

All that lasts is in the storage; this actor can die at any line. A new one asks the consumers what
they are busy with, and gives back what was claimed but never started.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from taskqueue import policy
from taskqueue.actors import task_log
from taskqueue.actors.batcher import Batcher
from taskqueue.actors.database import UNREACHABLE, StorageClient
from taskqueue.actors.desk import Desk
from taskqueue.actors.messages import (
    CONSUMERS,
    DATABASE,
    QUEUE,
    Deliver,
    Drain,
    DrainUntil,
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
    Actor,
    ActorRef,
    Crash,
    Down,
    ExitReason,
    Reply,
    ask,
    is_orderly,
    receives,
    tell,
)
from taskqueue.clock import Clock, SystemClock
from taskqueue.health import Readiness
from taskqueue.policy import RetryPolicy
from taskqueue.storage.protocol import Storage
from taskqueue.tasks import (
    Crashed,
    Delivery,
    HandBack,
    Interrupted,
    NewTask,
    Outcome,
    Owner,
    Postpone,
    Requeue,
    SettleBy,
    Settled,
)
from taskqueue.words import Word

log = structlog.get_logger()

R = TypeVar("R")

# How long to wait for the word that the storage is back before simply trying again.
RETRY_S = 0.5


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
        self._owner = owner
        self._settings = settings
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._storage = StorageClient(self.address(DATABASE))
        self._desk: Desk[ActorRef] = Desk(settings.prefetch)
        self._inserts: Batcher[tuple[NewTask, ...], None] = Batcher(
            self._insert, self.start_task, answers=UNREACHABLE
        )
        self._settlements: Batcher[SettleBy, Settled] = Batcher(self._settle, self.start_task)
        self._storage_back = asyncio.Event()
        self._recovered = False
        self._draining = False
        self._pulling = False
        self._more = True  # there may be ready tasks that have not been claimed
        self._alarm: asyncio.TimerHandle | None = None

    def on_start(self) -> None:
        """Call the consumers in, and put in order what an earlier life left behind."""
        for consumer in self.members(CONSUMERS):
            tell(consumer, QueueReady())
        self.start_task(self._begin())

    async def on_stop(self) -> None:
        """Hand back what was never started, and see the last settlements written."""
        self._draining = True
        await self._hand_back(self._desk.clear_buffer())
        await self._settlements.idle()

    # --- accepting --------------------------------------------------------------------------

    @receives(Enqueue, answers=UNREACHABLE, concurrently=True)
    async def on_enqueue(self, message: Enqueue) -> None:
        """Answer once the tasks are committed; they are tried from then on."""
        await self._inserts.add(message.tasks)
        self._wake_for(min(task.run_at or 0.0 for task in message.tasks))

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
        self._wake()
        return redriven

    @receives(GetReadiness, concurrently=True)
    async def on_get_readiness(self, _: GetReadiness) -> Readiness:
        """Answer whether tasks can be accepted and stored."""
        try:
            storage = await ask(self.address(DATABASE), GetReadiness())
        except UNREACHABLE as error:
            return Readiness(ready=False, reason=str(error))
        if storage.ready and not self._recovered:
            return Readiness(ready=False, reason="the queue is recovering")
        return storage

    # --- handing out ------------------------------------------------------------------------

    @receives(Register)
    def on_register(self, message: Register) -> None:
        """Seat a consumer."""
        if not self._desk.knows(message.consumer):
            self.monitor(message.consumer)
        self._desk.sit(message.consumer, message.slots, message.running)
        self._hand_out()
        self._wake()

    @receives(Leave)
    def on_leave(self, message: Leave) -> None:
        """Give a stopping consumer nothing more."""
        self._desk.close(message.consumer)

    @receives(StorageReady)
    def on_storage_ready(self, _: StorageReady) -> None:
        """Go on with whatever waited for the storage."""
        self._storage_back.set()
        self._wake()

    def _wake_for(self, run_at: float) -> None:
        """Look for work when a task is due at `run_at`."""
        delay_s = run_at - self._clock.now()
        if delay_s <= 0:
            self._wake()
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + delay_s
        if self._alarm is None or self._alarm.cancelled() or due < self._alarm.when():
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._wake()

    def _wake(self) -> None:
        """There may be ready tasks: claim what there is room for."""
        self._more = True
        self._pull_soon()

    def _pull_soon(self) -> None:
        if self._more and self._recovered and not self._draining and not self._pulling:
            self._pulling = True
            self.start_task(self._pull())

    async def _pull(self) -> None:
        try:
            while self._more and not self._draining and (room := self._desk.room()):
                self._more = False  # whoever wakes us during the claim sets it again
                deliveries = await self._claim(room)
                self._more = self._more or len(deliveries) == room
                self._desk.add(deliveries)
                self._hand_out()
                if not self._more:
                    await self._set_alarm()
        except UNREACHABLE:
            self._more = True
            asyncio.get_running_loop().call_later(RETRY_S, self._pull_soon)
        finally:
            self._pulling = False

    async def _claim(self, room: int) -> list[Delivery]:
        claimed: list[Delivery] = []
        for queue in self._settings.queues:
            if len(claimed) < room:
                claimed += await self._storage.use(
                    Storage.claim,
                    queue,
                    limit=room - len(claimed),
                    owner=self._owner,
                    lease_s=self._settings.lease_s,
                    now=self._clock.now(),
                )
        return claimed

    async def _set_alarm(self) -> None:
        for queue in self._settings.queues:
            run_at = await self._storage.use(Storage.next_due, queue)
            if run_at is not None:
                self._wake_for(run_at)

    def _hand_out(self) -> None:
        """Give buffered deliveries to free slots.

        The start is on its way to the storage before the consumer hears of the task, so that no
        later life of this actor can take it for one that never started.
        """
        if self._draining:
            return
        assigned: defaultdict[ActorRef, list[Delivery]] = defaultdict(list)
        for consumer, delivery in self._desk.assign():
            assigned[consumer].append(delivery)
        if not assigned:
            return
        tokens = [delivery.token for some in assigned.values() for delivery in some]
        self._note_start(tokens)
        for consumer, deliveries in assigned.items():
            tell(consumer, Deliver(deliveries=tuple(deliveries)))

    def _note_start(self, tokens: Sequence[str]) -> None:
        try:
            noted = self._storage.send(Storage.start, tokens, now=self._clock.now())
        except UNREACHABLE:
            return  # a fact less about a crash; the lease and the token hold all the same
        self.start_task(self._see_noted(noted))

    async def _see_noted(self, noted: Reply[object]) -> None:
        try:
            await noted
        except UNREACHABLE as error:
            log.info("start_not_noted", reason=str(error))

    # --- settling ---------------------------------------------------------------------------

    @receives(Finish, concurrently=True)
    async def on_finish(self, message: Finish) -> None:
        """Free the slot at once; answer when the settlement is written."""
        self._desk.finish(message.consumer, message.delivery.token)
        self._hand_out()
        self._pull_soon()
        await self._conclude(message.delivery, message.outcome)

    async def _conclude(self, delivery: Delivery, outcome: Outcome) -> None:
        """Decide what is written for an outcome, and write it."""
        settlement = policy.settlement(
            delivery.task,
            outcome,
            self._settings.retry,
            now=self._clock.now(),
            jitter=self._jitter(),
        )
        by_token = SettleBy(token=delivery.token, settlement=settlement)
        written = await self._settlements.add(by_token)
        task_log.settled(delivery.task, outcome, settlement, written)
        match settlement:
            case Requeue(run_at=run_at) | Postpone(run_at=run_at):
                self._wake_for(run_at)
            case HandBack():
                self._wake()
            case _:
                if getattr(settlement, "follow_ups", ()):
                    self._wake()

    async def _settle(self, batch: Sequence[SettleBy]) -> Sequence[Settled]:
        """Write settlements, however long the storage is away: repeating them is harmless."""
        return await self._insist(
            lambda: self._storage.use(Storage.settle, batch, now=self._clock.now())
        )

    async def _hand_back(self, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            back = [SettleBy(token=d.token, settlement=HandBack()) for d in deliveries]
            await self._settle(back)

    async def _insist(self, call: Callable[[], Awaitable[R]]) -> R:
        while True:
            self._storage_back.clear()
            try:
                return await call()
            except UNREACHABLE:
                await self._storage_again()

    async def _storage_again(self) -> None:
        try:
            async with asyncio.timeout(RETRY_S):
                await self._storage_back.wait()
        except TimeoutError:
            return

    # --- rescuing ---------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Take over from earlier lives, then keep the leases."""
        held = await self._insist(lambda: self._storage.use(Storage.held, self._owner))
        known = set(self._desk.held)
        await self._hand_back([d for d in held if not d.started and d.token not in known])
        await self._insist(self._rescue)
        self._recovered = True
        log.info("queue_ready", owner=f"{self._owner.node}/{self._owner.incarnation}")
        self._wake()
        while True:
            await asyncio.sleep(self._settings.lease_s / 3)
            try:
                await self._extend()
                await self._rescue()
            except UNREACHABLE:
                continue  # nobody else claims meanwhile, and the next turn extends before it rescues

    async def _extend(self) -> None:
        held = self._desk.held
        if not held:
            return
        lost = await self._storage.use(
            Storage.extend, held, lease_s=self._settings.lease_s, now=self._clock.now()
        )
        if lost:
            # Finished meanwhile, or taken by another; the token tells which when it is settled.
            self._desk.drop(lost)

    async def _rescue(self) -> None:
        """Conclude for those that nobody will: their holder is gone, or silent past its lease."""
        deliveries = await self._storage.use(Storage.rescue, self._owner, now=self._clock.now())
        ours = set(self._desk.held)
        for delivery in deliveries:
            if delivery.token in ours:
                continue
            task_log.rescued(delivery, "its holder is gone")
            outcome = policy.abandoned(
                delivery.task, started=delivery.started, policy=self._settings.retry
            )
            if outcome is None:
                await self._hand_back([delivery])
            else:
                await self._conclude(delivery, outcome)

    @receives(Down)
    def on_down(self, message: Down) -> None:
        """A consumer is gone: conclude for it at once, no clock needed."""
        for delivery in self._desk.leave(message.ref):
            outcome = _outcome_of(message.reason, delivery)
            task_log.rescued(delivery, f"{message.ref} ended: {message.reason}")
            self.start_task(self._conclude(delivery, outcome))

    # --- stopping ---------------------------------------------------------------------------

    @receives(Drain, concurrently=True)
    async def on_drain(self, message: Drain) -> None:
        """Hand nothing out any more; tell everyone how long they may run."""
        self._draining = True
        for consumer in self._desk.consumers:
            tell(consumer, DrainUntil(deadline=message.deadline))
        await self._hand_back(self._desk.clear_buffer())


def _outcome_of(reason: ExitReason, delivery: Delivery) -> Outcome:
    """Return what happened to a delivery whose consumer ended with `reason`."""
    if is_orderly(reason):
        return Interrupted()
    match reason:
        case Crash(cause=HandlerCrash(token=token)) if token != delivery.token:
            return Interrupted()  # a neighbour in another slot took the consumer down
        case _:
            return Crashed(error=f"consumer ended: {reason}")
