"""The database actor: owns the storage, and degrades instead of crashing when that fails.

An outage is an expected state, not a bug: the actor refuses writes with `StorageUnavailable`,
serves reads if it can, and retries with growing pauses until the cause is gone. No restart is
counted.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from time import monotonic

from taskqueue.actors.coalesced import Coalesced
from taskqueue.actors.messages import (
    DATABASE,
    NODE,
    QUEUE,
    ForeignCommit,
    ForeignTasks,
    LookAgain,
    Migrate,
    StorageReady,
    TasksAccepted,
    UseStorage,
)
from taskqueue.actors.outage import READS, Remedy, leaves_reads, remedy
from taskqueue.actors.pauses import Pauses, Recovery
from taskqueue.commands import GetReadiness
from taskqueue.errors import (
    OperationFailed,
    StatementRefused,
    StorageBusy,
    StorageCorrupt,
    StorageError,
    StorageLost,
    StorageUnavailable,
)
from taskqueue.events import events
from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.health import Availability, Readiness
from taskqueue.rules.measures import GroupMeasures
from taskqueue.rules.tasks import ENDED, Acceptance, Accepted
from taskqueue.runtime import Actor, receives, tell
from taskqueue.storage.protocol import Storage

REOPENED_S = 2.0  # for how long a read waits for the storage to be opened again


class DatabaseActor(Actor):
    """Serves the verbs of the storage to the other actors, once the schema was migrated."""

    registered_name = DATABASE
    trap_exit = True

    def __init__(
        self,
        make_storage: Callable[[], Storage],
        recovery: Recovery | None = None,
        availability: Availability | None = None,
        groups: GroupMeasures | None = None,
    ) -> None:
        super().__init__()
        self._storage = make_storage()
        self._groups = groups or GroupMeasures()
        self._pauses = Pauses(recovery or Recovery())
        self._recovering = False
        self._checking = False
        self._turn = asyncio.Lock()  # migrating, closing and opening, one after the other
        self._at_rest = asyncio.Event()  # set, except between close and open: reads wait for it
        self._at_rest.set()
        self._last_failure = ("", "")  # the verb and the reason
        self._outages = 0  # those that are over: a late failure of one does not start another
        self._losses = 0  # how many the storage has reported
        self._availability = availability or Availability()
        self.unavailable = "not opened yet"
        self.readable = False

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be written; None if it can."""
        return self._availability.unavailable

    @unavailable.setter
    def unavailable(self, reason: str | None) -> None:
        self._availability.unavailable = reason

    async def on_start(self) -> None:
        """Try to open; a storage that is missing or not migrated yet is no failure to start."""
        self.own(self._storage.abandon)
        self._storage.on_loss(self._on_loss)
        announce = Coalesced(self._announce_foreign_commit)
        self._storage.on_foreign_commit(lambda: self.start_task(announce()))
        self._storage.on_foreign_tasks(lambda: tell(self.address(QUEUE), ForeignTasks()))
        self._storage.on_group_end(self._on_group_end)
        try:
            async with self._turn:
                await self._open()
                await self._prove()
        except StorageError as error:
            self.readable = self.readable and leaves_reads(error)
            self.unavailable = _reason_of(error)
            events.info("storage_not_there_yet", reason=self.unavailable)
            self._recover_soon()

    async def _announce_foreign_commit(self) -> None:
        due: Mapping[str, float] = {}
        with contextlib.suppress(Exception):  # the queue's next poll meets it as well
            due = await self._storage.all_due()
        tell(self.address(QUEUE), ForeignCommit(due=due))
        tell(self.address(NODE), LookAgain())

    def _on_group_end(self, end: GroupEnd) -> None:
        self._groups.ended += 1
        ended = {str(status): end.tasks[status] for status in sorted(ENDED)}
        then = None if end.then is None else end.then.id
        events.info("group_ended", group=end.name, **ended, then=then)
        if end.then is not None:
            answer = Accepted(id=end.then.id, acceptance=Acceptance.ACCEPTED)
            tell(self.address(QUEUE), TasksAccepted(tasks=(end.then,), accepted=(answer,)))

    async def on_stop(self) -> None:
        """Finish the writes in progress and close."""
        await self._storage.close()

    @receives(UseStorage, answers=(StorageUnavailable, StatementRefused), concurrently=True)
    async def on_use_storage(self, message: UseStorage) -> object:
        """Call the verb. Calls that wait at the same time share a commit.

        Callers get `StorageUnavailable` from a corrupt storage too: only an operator can repair it.
        An unforeseen error is an answer to its caller: a client must not be able to crash this
        actor.
        """
        if self.unavailable is not None:
            await self._admit(message.verb)
        verb, outages = getattr(self._storage, message.verb), self._outages
        try:
            return await verb(*message.args, **message.kwargs)
        except StorageBusy:  # of this call alone, unless a probe says otherwise
            self._check_soon()
            raise
        except (StorageUnavailable, StorageCorrupt) as error:
            self._on_failure(error, outages)
            raise StorageUnavailable(_reason_of(error)) from error
        except StatementRefused:
            raise
        except Exception as error:
            raise self._failed(message.verb, error) from error

    def _failed(self, verb: str, error: Exception) -> OperationFailed:
        """Log an unforeseen error, with its traceback unless it is the same as the last one."""
        reason = f"{type(error).__name__}: {error}"
        is_news = (verb, reason) != self._last_failure
        self._last_failure = (verb, reason)
        events.error(
            "storage_operation_failed",
            verb=verb,
            reason=reason,
            exc_info=error if is_news else None,
        )
        return OperationFailed(reason)

    async def _admit(self, verb: str) -> None:
        """Refuse at once a verb that cannot be served during an outage."""
        while self.unavailable is not None:
            if verb not in READS or not self.readable:
                raise StorageUnavailable(self.unavailable)
            if self._at_rest.is_set():
                return
            try:
                async with asyncio.timeout(REOPENED_S):
                    await self._at_rest.wait()
            except TimeoutError:  # closing or opening hangs
                raise StorageUnavailable(self.unavailable) from None

    @receives(Migrate, answers=(StorageError,))
    async def on_migrate(self, _: Migrate) -> tuple[str, ...]:
        """Migrate and open. A storage that cannot be written now is no failure."""
        async with self._turn:
            try:
                steps = await self._storage.migrate()
            except StorageError:
                raise
            except Exception as error:
                raise self._failed("migrate", error) from error
            if self.unavailable is not None:
                await self._open()
                await self._try_again()
        return tuple(f"{step.version} {step.name}" for step in steps)

    @receives(GetReadiness)
    def on_get_readiness(self, _: GetReadiness) -> Readiness:
        """Answer whether the storage serves."""
        return Readiness(ready=self.unavailable is None, reason=self.unavailable)

    async def _open(self) -> None:
        await self._storage.open()
        self.readable = True

    async def _prove(self) -> None:
        """Write and read; if that works and no loss was reported meanwhile, the outage is over."""
        losses = self._losses
        await self._storage.probe()
        await self._storage.counts()
        if self._losses != losses:
            raise StorageUnavailable(self.unavailable or "the storage answered too late")
        self._outages += 1
        self.unavailable = None
        events.info("storage_ready")
        tell(self.address(QUEUE), StorageReady())

    def _on_loss(self, error: StorageUnavailable) -> None:
        """Degrade before a call fails: the storage reports that it cannot be written."""
        self._losses += 1
        self._degrade(error)

    def _on_failure(self, error: StorageError, outages: int) -> None:
        """Degrade, unless the call that failed began before the last outage was over."""
        is_news = self.unavailable is None or (self.readable and not leaves_reads(error))
        if is_news and outages == self._outages:
            self._degrade(error)

    def _check_soon(self) -> None:
        if self.unavailable is None and not self._checking:
            self._checking = True
            self.start_task(self._check())

    async def _check(self) -> None:
        """Degrade if nothing at all can be written."""
        outages = self._outages
        try:
            await self._storage.probe()
        except StorageError as error:
            self._on_failure(error, outages)
        finally:
            self._checking = False

    def _degrade(self, error: StorageError) -> None:
        """Begin an outage, or note its new reason, and recover."""
        self.readable = self.readable and leaves_reads(error)
        reason = _reason_of(error)
        if reason != self.unavailable:
            events.warning("storage_degraded", reason=reason)
        self.unavailable = reason
        is_lost = isinstance(error, StorageLost)  # waiting does not bring it back
        self._recover_soon(at_once=is_lost)

    def _recover_soon(self, *, at_once: bool = False) -> None:
        if not self._recovering:
            self._recovering = True
            self.start_task(self._recover(at_once=at_once))

    async def _recover(self, *, at_once: bool) -> None:
        self._pauses.begin(at_once=at_once, now=monotonic())
        while self.unavailable is not None:
            await asyncio.sleep(self._pauses.next_s())
            async with self._turn:
                if self.unavailable is not None:  # else the migration has opened it meanwhile
                    await self._try_again()
        self._pauses.end(now=monotonic())
        self._recovering = False

    async def _try_again(self) -> None:
        if not self.readable:
            await self._reopen()
        if self.readable and await self._proof() is Remedy.REOPEN:
            await self._reopen()
            if self.readable:
                await self._proof()

    async def _proof(self) -> Remedy | None:
        """Prove that it serves; return the remedy if it does not."""
        try:
            await self._prove()
        except StorageError as error:
            self._degrade(error)
            return remedy(error, readable=await self._reads())
        return None

    async def _reads(self) -> bool:
        try:
            await self._storage.counts()
        except StorageError:
            return False
        return True

    async def _reopen(self) -> None:
        self._at_rest.clear()
        try:
            await self._storage.close()
            await self._open()
        except StorageError as error:
            self.readable = False
            self._degrade(error)
        finally:
            self._at_rest.set()


def _reason_of(error: StorageError) -> str:
    return error.reason if isinstance(error, StorageUnavailable) else str(error)
