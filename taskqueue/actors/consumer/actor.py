"""A consumer: runs handlers in its slots, on a host of its own.

It has a thread and a loop to itself, so a handler that blocks stops only this consumer: never
supervision, leases or `/health`.

    Work ─▶ a slot: take from the dispatch buffer ─▶ handler ─▶ outcome ─▶ take the next …
                                            │           └─▶ Finish, with all that ended meanwhile
                                            └─ still at it a moment later ─▶ start noted
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from taskqueue.actors import task_log
from taskqueue.actors.consumer.attempt_handle import ConsumerAttemptHandle
from taskqueue.actors.consumer.progress import ProgressReports
from taskqueue.actors.consumer.reports import ReportBatcher
from taskqueue.actors.messages import (
    CONSUMERS,
    DATABASE,
    QUEUE,
    CancelAttempt,
    Finish,
    GetProcesses,
    HandlerCrash,
    Leave,
    Leaving,
    QueueReady,
    Register,
    Work,
)
from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.actors.throttle import ThrottledLog
from taskqueue.api.app import App
from taskqueue.api.handler import ExecutorKind
from taskqueue.clock import Clock, SystemClock
from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.executors.attempt import attempt
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.process.pool import ProcessExecutor
from taskqueue.executors.protocol import ConsumerCrash, Executor
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.rules.encoding import MAX_BYTES
from taskqueue.rules.leases.values import Finished, Taken
from taskqueue.rules.recycling import ProcessPolicy
from taskqueue.rules.tasks import DEFAULT_QUEUE, Cancelled, Delivery, Interrupted, Outcome, Task
from taskqueue.runtime import Actor, ActorRef, Crash, Exit, Reply, ask, receives, request, tell
from taskqueue.storage.protocol import Storage
from taskqueue.structs import Struct

# How long a cancelled handler may take to notice, and how often a lost queue is looked for.
CANCEL_GRACE_S = 1.0
QUEUE_RETRY_S = 0.1


class ConsumerSettings(Struct):
    """How a consumer works."""

    queues: tuple[str, ...] = (DEFAULT_QUEUE,)  # those it serves
    slots: int = 1  # handlers at once
    drain_s: float = 30.0  # how long they may run on when it stops
    max_result_bytes: int = MAX_BYTES
    process: ProcessPolicy = ProcessPolicy()


@dataclass(slots=True, eq=False)
class _Attempt:
    """A delivery from when it was taken until the queue has answered that it is settled."""

    taken: Taken
    slot: asyncio.Task[None] | None = None  # which is at it; None before and after that
    cut_as: Outcome | None = None  # why it is cut, and so its outcome

    def cut(self, outcome: Outcome) -> None:
        """Cancel the handler, if it runs, and keep it from beginning; the first reason counts."""
        self.cut_as = self.cut_as or outcome
        if self.slot is not None:
            self.slot.cancel()


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
        self._dispatch: DispatchBuffer[ActorRef] | None = None
        self._attempts: dict[str, _Attempt] = {}
        self._at_work: set[asyncio.Task[None]] = set()  # one for each slot that is busy
        self._reporting: set[asyncio.Task[None]] = set()
        self._reports = ReportBatcher(self._note_starts, self._tell_finished)
        self._progress = ProgressReports(self._storage, self._clock, self.start_task)
        self._start_lost = ThrottledLog("start_not_noted", self._clock)
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

        Not after a crash: the handlers in its other slots go with it, so that the crash is known,
        and another consumer started, at once.
        """
        if isinstance(self.exit_reason, Crash):
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

    @receives(Work)
    def on_work(self, message: Work) -> None:
        """Take from this dispatch buffer, as long as there is a free slot."""
        self._dispatch = message.dispatch
        self._fill_slots()

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
            running = tuple(each.taken for each in self._attempts.values())
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

    # --- the slots --------------------------------------------------------------------------

    def _fill_slots(self) -> None:
        while len(self._at_work) < self._slots and (this := self._take()) is not None:
            self._remember(self._at_work, self.start_task(self._slot(this)))

    def _take(self) -> _Attempt | None:
        taken = (
            self._dispatch.take(self.ref) if self._dispatch is not None and self._slots else None
        )
        if taken is None:
            return None
        this = self._attempts[taken.delivery.token] = _Attempt(taken)
        return this

    async def _slot(self, this: _Attempt | None) -> None:
        """Make one attempt after the other, as long as there is something to take."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine is always run by a task
        while this is not None:
            await self._attempt(this, task)
            if task.cancelling():
                if this.cut_as is None:
                    return  # this consumer ends
                break  # another slot takes its place, which knows nothing of that
            this = self._take()
        self._at_work.discard(task)
        self._fill_slots()

    async def _attempt(self, this: _Attempt, slot: asyncio.Task[None]) -> None:
        """Run the handler, unless it is too late; have the queue hear what came of it."""
        outcome = this.cut_as
        begins = outcome is None
        if outcome is None:
            this.slot = slot
            outcome = await self._run(this.taken.delivery, this)
            this.slot = None
        self._reports.finished(
            Finished(
                delivery=this.taken.delivery,
                outcome=outcome,
                started_at=this.taken.at if begins else None,
            )
        )

    async def _run(self, delivery: Delivery, this: _Attempt) -> Outcome:
        task_log.attempt_started(delivery.task, self.ref.label)
        handle = ConsumerAttemptHandle(
            delivery.token, self._storage, self._progress, self._reports.note
        )
        try:
            if _has_to_be_seen(delivery.task):
                await self._note_start(delivery.token)
            else:
                self._reports.begun(delivery.token)
            return await attempt(
                self._app,
                delivery.task,
                self._executors,
                handle,
                max_result_bytes=self._settings.max_result_bytes,
            )
        except asyncio.CancelledError:
            if this.cut_as is None:
                raise
            return this.cut_as
        except Exception as error:
            # Otherwise a fault of ours that this attempt has met, and its neighbours have not.
            crash = error if isinstance(error, ConsumerCrash) else ConsumerCrash(error)
            self._reports.tell()
            raise Exit(Crash(HandlerCrash(delivery.token, crash))) from error

    async def _note_start(self, token: str) -> None:
        """See it written that the attempt begins, before it does, however long that takes."""
        while True:
            try:
                return await self._storage.use(Storage.start, (token,), now=self._clock.now())
            except UNREACHABLE as error:
                self._start_lost.info(reason=str(error))
            await asyncio.sleep(QUEUE_RETRY_S)

    # --- the news ---------------------------------------------------------------------------

    def _note_starts(self, begun: Sequence[str]) -> None:
        """Tell the storage what has begun."""
        try:
            noting = self._storage.send(Storage.start, begun, now=self._clock.now())
            self.start_task(self._see_noted(noting))
        except UNREACHABLE as error:  # it is noted again with the extension of the lease
            self._start_lost.info(reason=str(error))

    async def _see_noted(self, noting: Reply[None]) -> None:
        try:
            await noting
        except UNREACHABLE as error:
            self._start_lost.info(reason=str(error))

    def _tell_finished(self, finished: Sequence[Finished]) -> asyncio.Task[None] | None:
        """Tell the queue what has ended; it is sent on return. None if we have ended ourselves."""
        finish = Finish(consumer=self.ref, finished=tuple(finished))
        try:
            reporting = self.start_task(self._report(finish, self._sent(finish)))
        except ActorUnavailable:  # whoever ended us sees to what we had
            return None
        self._remember(self._reporting, reporting)
        return reporting

    def _sent(self, finish: Finish) -> "tuple[ActorRef, Reply[None]] | None":
        """Tell whoever is the queue now, and return who that is; None if nobody is."""
        queue = self._find_queue()
        return None if queue is None else (queue, request(queue, finish))

    async def _report(self, finish: Finish, sent: "tuple[ActorRef, Reply[None]] | None") -> None:
        """See that the queue has heard what has ended; tell it again until it has."""
        while True:
            if sent is None:
                await asyncio.sleep(QUEUE_RETRY_S)
            else:
                queue, reply = sent
                with contextlib.suppress(ActorUnavailable):
                    await reply
                    # A queue that has come since was told that we are busy with these.
                    if queue is self._registered_with:
                        break
            sent = self._sent(finish)
        for each in finish.finished:
            del self._attempts[each.delivery.token]

    def _remember(self, tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)

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
            self._reports.tell()
            left_s = end - loop.time()
            if left_s <= 0 or not self._attempts:
                return
            wait_s = min(left_s, QUEUE_RETRY_S)
            if tasks := self._at_work | self._reporting:
                await asyncio.wait(tasks, timeout=wait_s)
            else:
                await asyncio.sleep(wait_s)


def _has_to_be_seen(task: Task) -> bool:
    """Tell whether an attempt must not begin unseen.

    Of most it is told only if they last, so one that ends the process at once may have begun, and
    is made again. But the last one must not be made again, and whoever comes for the second time
    may be what ended the process.
    """
    return task.deliveries > 1 or task.attempt >= task.max_attempts
