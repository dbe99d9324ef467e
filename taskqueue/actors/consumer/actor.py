"""A consumer: runs handlers in its slots, on a host of its own.

It has its own thread and loop, so a handler that blocks stops only this consumer, never
supervision, leases or `/health`.

    Work ─▶ a slot: take from the dispatch buffer ─▶ handler ─▶ outcome ─▶ take the next …
                                            │           └─▶ Finish, with all that ended meanwhile
                                            └─ still running a moment later ─▶ start noted
"""

import asyncio
from collections.abc import Sequence

from taskqueue.actors import task_log
from taskqueue.actors.consumer.attempt_handle import AttemptServices, ConsumerAttemptHandle
from taskqueue.actors.consumer.attempts import Attempt, Workplace
from taskqueue.actors.consumer.charges import Charges
from taskqueue.actors.consumer.executors import Executors
from taskqueue.actors.consumer.progress import ProgressReports
from taskqueue.actors.consumer.queue_link import QUEUE_RETRY_S, QueueLink
from taskqueue.actors.consumer.reports import ReportBatcher
from taskqueue.actors.consumer.settings import ConsumerSettings
from taskqueue.actors.consumer.start_notes import StartNotes, must_be_noted_first
from taskqueue.actors.messages import (
    CONSUMERS,
    DATABASE,
    QUEUE,
    CancelAttempt,
    Finish,
    GetProcesses,
    HandlerCrash,
    Leaving,
    QueueReady,
    Register,
    SetSlots,
    Work,
)
from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.roster import Roster
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.app import App
from taskqueue.clock import Clock, SystemClock
from taskqueue.executors.attempt import attempt
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.executors.resources import Resources
from taskqueue.executors.turns import Turns
from taskqueue.rules import expiry
from taskqueue.rules.leases.values import Finished
from taskqueue.rules.tasks import Cancelled, Delivery, Interrupted, Outcome
from taskqueue.runtime import Actor, ActorRef, Crash, Exit, receives

CANCEL_GRACE_S = 1.0  # how long a cancelled handler may take to notice


class ConsumerActor(Actor):
    """Runs what the queue actor delivers, and reports the outcomes."""

    trap_exit = True
    dedicated_host = True

    def __init__(
        self,
        name: str,
        app: App,
        settings: ConsumerSettings,
        roster: Roster | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        self.label = name
        self._app = app
        self._settings = settings
        self._roster = roster or Roster()
        self._clock = clock = clock or SystemClock()
        self._slots = settings.slots
        self._queue = QueueLink(
            self.address(QUEUE),
            self.begin_task,
            registration=self._registration,
            on_written=self._forget,
        )
        self._storage = StorageClient(self.address(DATABASE))
        self._dispatch: DispatchBuffer[ActorRef] | None = None
        self._attempts: dict[str, Attempt] = {}
        self._at_work: set[asyncio.Task[None]] = set()  # one for each busy slot
        self._turns = Turns()
        self._starts = StartNotes(self._storage, self._clock, self.start_task)
        self._reports = ReportBatcher(self._starts.note, self._report)
        self._progress = ProgressReports(self._storage, clock, self.start_task, self.begin_task)
        self._charges = Charges(self.address(QUEUE), self._clock, self.start_task)
        self._resources = Resources(app, consumer=name)
        self._executors = Executors(app, settings.slots, settings.process, name=name)

    async def on_start(self) -> None:
        """Open the app's resources, and register with the queue actor."""
        self._services = AttemptServices.here(
            self._storage, self._progress, self._charges, self._reports.note, self._clock
        )
        self.own(self._resources.close)
        await self._resources.open()
        self.start_task(self._resources.lasting())
        workplace = Workplace(self.ref.label, self._app, self._attempts, self._executors.by_kind)
        self.own(self._roster.enter(workplace))
        self.own(self._executors.close)
        self.own(self._executors.retire)
        self.join(CONSUMERS)
        self._queue.find()

    async def on_stop(self) -> None:
        """Take no more deliveries; let handlers run until the deadline, then cancel them.

        Not after a crash: the handlers in the other slots end with the consumer, so the crash is
        reported, and another consumer started, at once.
        """
        if isinstance(self.exit_reason, Crash):
            return
        self._slots = 0
        await self._run_out()
        for each in self._attempts.values():
            each.cancel(Interrupted())
        await self._settled_within(CANCEL_GRACE_S)

    @receives(QueueReady)
    def on_queue_ready(self, _: QueueReady) -> None:
        """Register with the new queue actor."""
        self._queue.find()

    @receives(Work)
    def on_work(self, message: Work) -> None:
        """Take from this dispatch buffer while there is a free slot."""
        self._dispatch = message.dispatch
        self._fill_slots()

    @receives(GetProcesses)
    def on_get_processes(self, _: GetProcesses) -> tuple[int, ...]:
        """Return the ids of the worker processes, busy or not."""
        return self._executors.pids

    @receives(SetSlots)
    def on_set_slots(self, message: SetSlots) -> None:
        """Change the number of slots. Surplus handlers that run are not interrupted."""
        self._slots = message.slots
        self._executors.resize(message.slots)
        self._queue.slots_changed(self.ref, message.slots)
        self._fill_slots()

    @receives(CancelAttempt)
    def on_cancel_attempt(self, message: CancelAttempt) -> None:
        """Cancel the handler of a cancelled task."""
        self._cancel(message.token, message.reason)

    def _cancel(self, token: str, reason: str) -> None:
        unwanted = self._attempts.get(token)
        # Cancellations are repeated; a handler that is cleaning up must not be cancelled again.
        if unwanted is not None and unwanted.cancelled_as is None:
            unwanted.cancel(Cancelled(reason=reason))

    def _registration(self) -> Register:
        return Register(
            consumer=self.ref,
            queues=self._settings.queues,
            slots=self._slots,
            running=tuple(each.taken for each in self._attempts.values()),
        )

    def _report(self, finished: Sequence[Finished]) -> asyncio.Task[None] | None:
        return self._queue.report(Finish(consumer=self.ref, finished=tuple(finished)))

    def _forget(self, finish: Finish) -> None:
        for each in finish.finished:
            del self._attempts[each.delivery.token]

    # --- the slots --------------------------------------------------------------------------

    def _fill_slots(self) -> None:
        while len(self._at_work) < self._slots and (this := self._take()) is not None:
            self.begin_task(self._slot(this))

    def _take(self, after: Delivery | None = None) -> Attempt | None:
        dispatch = self._dispatch if self._slots else None
        taken = None if dispatch is None else dispatch.take(self.ref, after)
        if taken is None:
            return None
        this = self._attempts[taken.delivery.token] = Attempt(taken)
        return this

    async def _slot(self, this: Attempt | None) -> None:
        """Run one attempt after the other, while there are deliveries to take."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine is always run by a task
        self._at_work.add(task)
        try:
            while this is not None:
                after = await self._attempt(this, task)
                if task.cancelling():
                    if this.cancelled_as is None:
                        return  # this consumer ends
                    break  # the slot goes on in an asyncio task that is not cancelled
                if self._turns.is_over:
                    await self._turns.begin()  # not once it is taken: it would seem to run
                this = self._take(after) if len(self._at_work) <= self._slots else None
        finally:
            self._at_work.discard(task)
        self._fill_slots()

    async def _attempt(self, this: Attempt, slot: asyncio.Task[None]) -> Delivery | None:
        """Run the handler and report the outcome; return the delivery if it passes its slot on."""
        taken = this.taken
        outcome = this.cancelled_as or expiry.at_start(taken.delivery.task, now=taken.at)
        begins = outcome is None
        if outcome is None:
            this.slot = slot
            outcome = await self._run(this)
            this.leave_slot()
        finished = Finished(
            delivery=taken.delivery,
            outcome=outcome,
            started_at=taken.at if begins else None,
            log=taken.log.text(),
        )
        self._reports.finished(finished)
        passes_on = finished.passes_slot_on and not self._executors.runs_on(taken.delivery.task)
        return taken.delivery if passes_on else None

    async def _run(self, this: Attempt) -> Outcome:
        delivery = this.taken.delivery
        task_log.attempt_started(delivery.task, self.ref.label)
        self._app.hooks.started(delivery.task)
        this.handle = handle = ConsumerAttemptHandle(this.taken, self._services)
        try:
            if must_be_noted_first(delivery.task):
                await self._starts.write(delivery.token)
            else:
                self._reports.begun(delivery.token, at=self._services.loop.time())
            return await attempt(
                self._app,
                delivery.task,
                self._executors.by_kind,
                handle,
                max_result_bytes=self._settings.max_result_bytes,
                timeout_s=self._settings.timeout_s,
                resources=self._resources.value,
            )
        except asyncio.CancelledError:
            if this.cancelled_as is None:
                raise
            return this.cancelled_as
        except Exception as error:
            # Any other error is a bug of ours that only this attempt has met.
            crash = error if isinstance(error, ConsumerCrash) else ConsumerCrash(error)
            self._reports.flush()
            raise Exit(Crash(HandlerCrash(delivery.token, crash))) from error

    # --- stopping ---------------------------------------------------------------------------

    async def _run_out(self) -> None:
        """Let handlers run until the deadline, unless their task is cancelled.

        A stopping actor reads no messages, so it polls the queue actor for cancellations.
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
        leaving = await self._queue.leave(self.ref)
        for token, reason in leaving.unwanted.items() if leaving is not None else ():
            self._cancel(token, reason)
        return leaving

    async def _settled_within(self, limit_s: float) -> None:
        """Wait until all outcomes are written; meanwhile register with new queue actors."""
        loop = asyncio.get_running_loop()
        end = loop.time() + limit_s
        while True:
            self._queue.find()
            self._reports.flush()
            left_s = end - loop.time()
            if left_s <= 0 or not self._attempts:
                return
            wait_s = min(left_s, QUEUE_RETRY_S)
            if tasks := self._at_work | self._queue.reporting:
                await asyncio.wait(tasks, timeout=wait_s)
            else:
                await asyncio.sleep(wait_s)
