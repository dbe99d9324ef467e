"""The service port: routes each command and query to the part that owns it.

Enqueue                     the queue, batched with all others of this turn of the loop
changes of schedules        the schedules, which fires what is due then
other commands about tasks  the queue, which wakes consumers, stops attempts, releases buffers
reads, deletions, groups    the storage
what runs and was counted   shared memory: a blocked consumer answers nothing
the tree and its consumers  their supervisors
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import asdict

from taskqueue.actors.client import QueueClient
from taskqueue.actors.consumers import Pool
from taskqueue.actors.group_requests import GroupRequests
from taskqueue.actors.held_back import held_back
from taskqueue.actors.limit_requests import LimitRequests
from taskqueue.actors.live_requests import LiveRequests
from taskqueue.actors.messages import DATABASE, QUEUE, SCHEDULES
from taskqueue.actors.node_requests import NodeRequests
from taskqueue.actors.queue.dead_letters import DeadLetters
from taskqueue.actors.roster import Roster
from taskqueue.actors.sizes import Sizes
from taskqueue.actors.storage_client import StorageClient
from taskqueue.actors.summary_requests import SummaryRequests
from taskqueue.actors.why_waiting import why_waiting
from taskqueue.clock import Clock
from taskqueue.commands import (
    ROOT,
    ChangePoolSize,
    CountTasks,
    Delete,
    DeleteDead,
    DeleteSchedule,
    Enqueue,
    ExplainWaiting,
    ForecastRetries,
    GetChanges,
    GetConsumers,
    GetDepths,
    GetFlows,
    GetHeldBack,
    GetLogs,
    GetOldestRunnable,
    GetPoolSize,
    GetQueues,
    GetReadiness,
    GetSchedule,
    GetSchedules,
    GetTask,
    GetTokens,
    GetTree,
    Kill,
    NoteTokenUse,
    PauseSchedule,
    PutSchedule,
    RecordChanges,
    RedriveDead,
    ResumeSchedule,
    RunSchedule,
    SearchTasks,
    SetConsumers,
)
from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.events import events
from taskqueue.http.server.limits import Limits
from taskqueue.rules.access import Token
from taskqueue.rules.activity import Activity
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.filters import Found
from taskqueue.rules.forecast import NextAttempt, next_attempts
from taskqueue.rules.health import Availability, Readiness
from taskqueue.rules.holds import HeldBack
from taskqueue.rules.logs import LogPage
from taskqueue.rules.measures import Measures
from taskqueue.rules.policy import USUAL
from taskqueue.rules.schedules.values import Schedule, ScheduleHistory
from taskqueue.rules.tasks import Accepted, Status, TaskHistory
from taskqueue.rules.turns import Flow
from taskqueue.runtime import DEFAULT_ASK_TIMEOUT_S, ActorRef, Request, World, ask
from taskqueue.storage.protocol import Storage
from taskqueue.supervision import Node, find, snapshot

BULK_S = 60.0  # for what goes through all dead tasks
STORAGE_S = 5.0

R = TypeVar("R")

_USUAL_RETRIES = partial(next_attempts, policy=USUAL)
_OF_SCHEDULES = (PutSchedule, PauseSchedule, ResumeSchedule, RunSchedule, DeleteSchedule)
_Handlers = Mapping[type[Request[Any]], Callable[[Any], Awaitable[Any]]]


class ServicePort:
    """The service as routes see it; it looks up actors per call, so it survives their restarts."""

    def __init__(
        self,
        system: World,
        clock: Clock,
        limits: Limits,
        availability: Availability,
        *,
        retries_of: Callable[..., tuple[NextAttempt, ...]] = _USUAL_RETRIES,
        roster: Roster | None = None,
        activity: Activity | None = None,
        measures: Measures | None = None,
        pools: Sequence[Pool] = (),
    ) -> None:
        """Make a port to the actors of `system`; `limits` are those of its HTTP server.

        `retries_of` returns when a task is tried again, as `next_attempts` does. `pools` are those
        that are configured.
        """
        self._availability = availability
        self._retries_of = retries_of
        self._queue = system.address(QUEUE)
        self._schedules = system.address(SCHEDULES)
        self._root = system.address(ROOT)
        self._client = QueueClient(self._queue)
        self._clock = clock
        self._storage = StorageClient(system.address(DATABASE), STORAGE_S)
        self._sizes = Sizes(system, self._storage, limits, pools=pools)
        live = LiveRequests(
            roster or Roster(), activity or Activity(), measures or Measures(), clock
        )
        storage = StorageRequests(self._storage, clock)
        self._handlers: _Handlers = {
            Enqueue: self._enqueue,
            ExplainWaiting: self._explain_waiting,
            ForecastRetries: self._forecast_retries,
            GetHeldBack: self._get_held_back,
            RedriveDead: self._redrive_dead,
            GetReadiness: self._get_readiness,
            GetTree: self._get_tree,
            Kill: self._kill,
            **dict.fromkeys(_OF_SCHEDULES, self._ask_schedules),
            GetConsumers: self._sizes.get,
            SetConsumers: self._sizes.set,
            GetPoolSize: self._sizes.get_pool,
            ChangePoolSize: self._sizes.change_pool,
            **GroupRequests(self._storage, self._queue, clock).handlers,
            **live.handlers,
            **storage.handlers,
        }

    def __call__(self, message: Request[R], /) -> Awaitable[R]:
        """Return the answer to `message`; see `taskqueue.commands.Ask`."""
        handler = self._handlers.get(type(message), self._ask_queue)
        answer: Awaitable[R] = handler(message)
        return answer

    async def _ask_queue(self, message: Request[R], timeout_s: float = DEFAULT_ASK_TIMEOUT_S) -> R:
        return await ask(self._queue, message, timeout_s=timeout_s)

    async def _ask_schedules(self, message: Request[R]) -> R:
        return await ask(self._schedules, message)

    def _enqueue(self, message: Enqueue) -> Awaitable[tuple[Accepted, ...]]:
        return self._client.enqueue(message.tasks)

    async def _explain_waiting(self, message: ExplainWaiting) -> str | None:
        queues = partial(self._ask_queue, GetQueues(), timeout_s=1.0)
        return await why_waiting(message, queues, self._storage, now=self._clock.now())

    async def _get_held_back(self, _: GetHeldBack) -> tuple[HeldBack, ...]:
        queues = partial(self._ask_queue, GetQueues(), timeout_s=1.0)
        return await held_back(queues, self._storage, now=self._clock.now())

    async def _forecast_retries(self, message: ForecastRetries) -> tuple[NextAttempt, ...]:
        return self._retries_of(message.task, now=self._clock.now())

    async def _redrive_dead(self, message: RedriveDead) -> int:
        return await self._ask_queue(message, BULK_S)

    async def _get_readiness(self, message: GetReadiness) -> Readiness:
        # What is known is answered without asking two actors, which takes a while on a busy loop.
        if (reason := self._availability.unavailable) is not None:
            return Readiness(ready=False, reason=reason)
        try:
            return await self._ask_queue(message, timeout_s=1.0)
        except (ActorUnavailable, AskTimeout) as absent:
            return Readiness(ready=False, reason=str(absent))

    async def _get_tree(self, _: GetTree) -> Node:
        return await snapshot(self._whereis_root())

    async def _kill(self, message: Kill) -> bool:
        ref = await find(self._whereis_root(), message.path)
        if ref is None:
            return False
        ref.kill()
        return True

    def _whereis_root(self) -> ActorRef:
        root = self._root.whereis()
        if root is None:
            raise ActorUnavailable(ROOT)
        return root


class StorageRequests:
    """The requests that change no state of the queue actor, so do not pass through it."""

    def __init__(self, storage: StorageClient, clock: Clock) -> None:
        """Serve from `storage` at the time of `clock`."""
        self._storage = storage
        self._clock = clock
        self._dead_letters = DeadLetters(storage, clock)
        self.handlers: _Handlers = {
            SearchTasks: self._search,
            GetTask: self._get,
            GetLogs: self._get_logs,
            CountTasks: self._count,
            GetDepths: self._depths,
            GetFlows: self._get_flows,
            GetOldestRunnable: self._oldest_runnable,
            Delete: self._delete,
            DeleteDead: self._delete_dead,
            GetTokens: self._get_tokens,
            NoteTokenUse: self._note_token_use,
            GetChanges: self._get_changes,
            RecordChanges: self._record_changes,
            **LimitRequests(storage, clock).handlers,
            **NodeRequests(storage, clock).handlers,
            **SummaryRequests(storage, clock).handlers,
            GetSchedules: self._get_schedules,
            GetSchedule: self._get_schedule,
        }

    async def _search(self, message: SearchTasks) -> Found:
        return await self._storage.use(Storage.search, **asdict(message), now=self._clock.now())

    async def _get(self, message: GetTask) -> TaskHistory | None:
        return await self._storage.use(Storage.get, message.task_id, now=self._clock.now())

    async def _get_logs(self, message: GetLogs) -> LogPage | None:
        return await self._storage.use(Storage.logs, **asdict(message))

    async def _count(self, _: CountTasks) -> Mapping[Status, int]:
        return await self._storage.use(Storage.counts)

    async def _depths(self, _: GetDepths) -> Mapping[str, Mapping[Status, int]]:
        return await self._storage.use(Storage.depths)

    async def _get_flows(self, message: GetFlows) -> tuple[Flow, ...]:
        return await self._storage.use(Storage.flows, **asdict(message))

    async def _oldest_runnable(self, _: GetOldestRunnable) -> Mapping[str, float]:
        due_at = await self._storage.use(Storage.all_due)
        now = self._clock.now()
        return {queue: now - at for queue, at in due_at.items() if at <= now}

    async def _delete(self, message: Delete) -> tuple[str, ...]:
        deleted = await self._storage.use(Storage.delete, message.task_ids)
        for task_id in deleted:
            events.info("task_deleted", task_id=task_id)
        return deleted

    async def _delete_dead(self, message: DeleteDead) -> int:
        deleted = await self._dead_letters.delete(action=message.action, queue=message.queue)
        events.info("dead_deleted", action=message.action, queue=message.queue, tasks=deleted)
        return deleted

    async def _get_tokens(self, _: GetTokens) -> tuple[Token, ...]:
        return await self._storage.use(Storage.tokens)

    async def _note_token_use(self, message: NoteTokenUse) -> None:
        await self._storage.use(Storage.note_token_use, message.used)

    async def _get_changes(self, message: GetChanges) -> tuple[AuditedChange, ...]:
        return await self._storage.use(Storage.changes, **asdict(message))

    async def _record_changes(self, message: RecordChanges) -> None:
        await self._storage.use(Storage.record_changes, message.changes)

    async def _get_schedules(self, _: GetSchedules) -> tuple[Schedule, ...]:
        return await self._storage.use(Storage.schedules)

    async def _get_schedule(self, message: GetSchedule) -> ScheduleHistory | None:
        return await self._storage.use(Storage.schedule, message.name, slots=message.slots)
