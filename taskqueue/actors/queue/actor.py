"""The queue actor: feeds events to the lease ledger, and carries out its actions.

    Enqueue ─▶ Fetcher: insert and claim, commit ─▶ answer; Work, to consumers that wait
    Finish  ─▶ Completer: policy.settlement, settle by token, commit ─▶ answer

All persistent state is in the storage, so this actor can die at any line. Its successor has the
consumers register with their running attempts, and settles the attempts that no consumer runs.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from functools import lru_cache

from taskqueue.actors.consumer.actor import CANCEL_GRACE_S
from taskqueue.actors.messages import (
    CONSUMERS,
    DATABASE,
    QUEUE,
    Drain,
    Finish,
    ForeignCommit,
    ForeignTasks,
    Leave,
    Leaving,
    QueueReady,
    Register,
    SlotsChanged,
    SlotsFired,
    StorageReady,
    TasksAccepted,
)
from taskqueue.actors.queue.accepted_tasks import AcceptedTasks
from taskqueue.actors.queue.administration import QueueAdministration
from taskqueue.actors.queue.completer import Completer
from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.queue.expirer import Expirer
from taskqueue.actors.queue.fetcher import Fetcher
from taskqueue.actors.queue.handler_ends import HandlerEnds
from taskqueue.actors.queue.lease_driver import LeaseDriver
from taskqueue.actors.queue.limit_declaration import LimitDeclaration
from taskqueue.actors.queue.settings import QueueSettings
from taskqueue.actors.queue.uptake import Uptake
from taskqueue.actors.storage_client import UNREACHABLE
from taskqueue.api.hooks import Hooks
from taskqueue.clock import Clock, SystemClock
from taskqueue.commands import (
    Enqueue,
    GetQueues,
    GetReadiness,
)
from taskqueue.executors.unfinished import unfinished
from taskqueue.rules.activity import Activity
from taskqueue.rules.health import QueueState, Readiness
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.measures import TaskMeasures
from taskqueue.rules.tasks import Accepted, Owner
from taskqueue.runtime import ActorRef, Down, ask, is_orderly, receives, tell
from taskqueue.storage.protocol import Storage

MOST_POLICIES = 1_000
"""Size of the cache of retry policies by action: making one takes as long as a short message."""


class QueueActor(QueueAdministration):
    """Accepts, claims, hands out, settles and rescues tasks."""

    registered_name = QUEUE
    trap_exit = True

    def __init__(
        self,
        owner: Owner,
        settings: QueueSettings,
        activity: Activity,
        measures: TaskMeasures,
        clock: Clock | None = None,
        *,
        hooks: Hooks,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(settings.queues, measures, clock or SystemClock())
        self._deadline: float | None = None  # until when handlers may run, once we are stopping
        self._queues = settings.queues
        self._settings = settings
        leases: Leases[ActorRef] = Leases(
            settings.queues, settings.prefetch, settings.retry, fair=settings.fair_queues
        )
        self._dispatch = DispatchBuffer(leases, self._clock)
        self._handler_ends = HandlerEnds(unfinished)
        self._completer = Completer(
            self._storage,
            lru_cache(MOST_POLICIES)(settings.policy_of),
            self._clock,
            jitter=jitter,
            begin_task=self.begin_task,
            dispatch=self._dispatch,
            schedule=self._schedule,
            activity=activity,
            measures=measures,
            hooks=hooks,
            handler_ends=self._handler_ends,
        )
        self._driver = LeaseDriver(self._dispatch, self._completer, self._schedule)
        self._limits = LimitDeclaration(settings.limits, self._storage, self._clock)
        self._expirer = Expirer(self._storage, self._clock, self._schedule.pace, measures)
        accepted = AcceptedTasks(measures, activity, self._clock)
        self._uptake = Uptake(self._driver, self._schedule, accepted, measures)
        self._fetcher = Fetcher(
            owner,
            settings.queues,
            settings.lease_s,
            self._clock,
            ageing=settings.ageing,
            storage=self._storage,
            dispatch=self._dispatch,
            driver=self._driver,
            schedule=self._schedule,
            accepted=accepted,
            measures=measures,
            limits=self._limits,
        )

    async def on_start(self) -> None:
        """Declare the limits, have the consumers register, and begin to serve them."""
        await self._limits.begin()
        self.own(self._dispatch.shut)  # the next queue actor decides about what is left in it
        for consumer in self.members(CONSUMERS):
            with self._dispatch as leases:
                leases.expect(consumer)
            self.monitor(consumer)  # one that is blocked may end before it registers
            tell(consumer, QueueReady())
        self.start_task(self._fetcher.serve())
        self.start_task(self._expirer.serve())

    async def on_stop(self) -> None:
        """Release deliveries that never started, and wait for the last settlements.

        Not after a crash: the next queue actor does that.
        """
        if self.exit_reason is None or not is_orderly(self.exit_reason):
            return
        self._driver.feed(Leases.drain)
        await self._fetcher.arrivals()
        await self._completer.idle()

    # --- accepting --------------------------------------------------------------------------

    @receives(Enqueue, answers=UNREACHABLE, concurrently=True)
    async def on_enqueue(self, message: Enqueue) -> tuple[Accepted, ...]:
        """Answer once the tasks are committed."""
        return await self._fetcher.enqueue(message.tasks)

    @receives(TasksAccepted)
    def on_tasks_accepted(self, message: TasksAccepted) -> None:
        """Claim the tasks at once that follow a group."""
        self._uptake.answered(message.tasks, message.accepted)

    # --- answering --------------------------------------------------------------------------

    @receives(GetQueues, answers=UNREACHABLE, concurrently=True)
    async def on_get_queues(self, _: GetQueues) -> tuple[QueueState, ...]:
        """Answer with the queues that are served and their state."""
        paused = await self._storage.use(Storage.paused)
        with self._dispatch as leases:
            return tuple(
                QueueState(
                    name=name,
                    paused_at=paused.get(name),
                    consumers=leases.serving(name),
                    ageing_s=self._settings.ageing.get(name),
                    takes_turns=name in self._settings.fair_queues,
                    buffered=leases.buffered(name),
                    is_draining=leases.is_suspended,
                    is_limited=self._schedule.hints.is_limited(name),
                )
                for name in self._queues
            )

    @receives(GetReadiness, concurrently=True)
    async def on_get_readiness(self, _: GetReadiness) -> Readiness:
        """Answer whether tasks can be accepted, stored and run."""
        with self._dispatch as leases:
            if leases.is_shut:
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
        """Continue everything that waits for the storage."""
        self._storage.is_back()

    @receives(ForeignTasks)
    def on_foreign_tasks(self, _: ForeignTasks) -> None:
        """Claim at once, before what is due is known."""
        self._schedule.expect_any()

    @receives(ForeignCommit, concurrently=True)
    async def on_foreign_commit(self, message: ForeignCommit) -> None:
        """Apply at once what another process has inserted, cancelled, paused or requested."""
        for queue, due in message.due.items():
            self._schedule.expect_due(queue, due)
        await self._fetcher.heed_others()

    @receives(SlotsFired)
    def on_slots_fired(self, message: SlotsFired) -> None:
        """Apply at once what schedules have inserted and cancelled."""
        self._uptake.inserted(message.tasks)
        for result, reason in message.cancelled:
            self._uptake.cancelled(result, reason)

    # --- the consumers ----------------------------------------------------------------------

    @receives(Register)
    def on_register(self, message: Register) -> None:
        """Register a consumer, which may then take deliveries."""
        self.monitor(message.consumer)
        self._driver.feed(
            Leases.register, message.consumer, message.slots, message.queues, message.running
        )
        self._schedule.changed.set()

    @receives(SlotsChanged)
    def on_slots_changed(self, message: SlotsChanged) -> None:
        """Claim for the consumer's new number of slots."""
        self._driver.feed(Leases.resize, message.consumer, message.slots)
        self._schedule.changed.set()

    @receives(Leave)
    def on_leave(self, message: Leave) -> Leaving:
        """Give a stopping consumer no more deliveries.

        The answer has its deadline and cancellations, because it no longer reads messages.
        """
        with self._dispatch as leases:
            unwanted = leases.leave(message.consumer)
        return Leaving(deadline=self._deadline, unwanted=unwanted)

    @receives(Finish)
    def on_finish(self, message: Finish) -> None:
        """Answer once the outcomes are written, or kept until handlers that still run have ended.

        Not concurrently: the next message may be the end of the consumer, which must find these
        outcomes reported.
        """
        self._driver.finished(message.consumer, message.finished, then=self.defer().reply)
        self._schedule.room_freed()

    @receives(Down)
    def on_down(self, message: Down) -> None:
        """Settle the attempts of a consumer that has ended."""
        # The monitor does not know the reason of one that ended before it was monitored.
        self._driver.gone(message.ref, message.ref.exit_reason or message.reason)
        self._schedule.changed.set()

    # --- stopping ---------------------------------------------------------------------------

    @receives(Drain, concurrently=True)
    async def on_drain(self, message: Drain) -> None:
        """Stop handing out tasks; answer when nothing runs, or at the deadline."""
        self._deadline = message.deadline
        self._driver.feed(Leases.drain)
        self._handler_ends.stop()
        left_s = message.deadline - self._clock.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._driver.nothing_runs.wait()
        self.start_task(self._kill_blocked())

    async def _kill_blocked(self) -> None:
        """Kill the consumers that do not react to their stop.

        Their supervisor stops them one by one and would wait the full limit for each blocked one.
        An idle one may not have been stopped yet, because the gateway is stopped first.
        """
        await asyncio.sleep(1.2 * CANCEL_GRACE_S)  # their own grace, and the way to them
        for consumer in self.members(CONSUMERS):
            with self._dispatch as leases:
                is_idle = leases.is_idle(consumer)
            if not is_idle:
                consumer.kill()
