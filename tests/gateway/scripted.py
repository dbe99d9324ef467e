"""The service with its actors left out, for tests of HTTP alone."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import asdict

from taskqueue.actors.held_back import held_back
from taskqueue.actors.port import StorageRequests
from taskqueue.actors.queue.dead_letters import DeadLetters
from taskqueue.actors.storage_client import StorageClient
from taskqueue.actors.why_waiting import why_waiting
from taskqueue.api.app import App
from taskqueue.api.context import Context
from taskqueue.api.forecast import retries_of
from taskqueue.commands import (
    CancelTask,
    ChangeLimit,
    ChangePoolSize,
    CloseGroup,
    DeleteSchedule,
    EditTask,
    Enqueue,
    ExplainWaiting,
    ForecastRetries,
    GetActivity,
    GetConsumers,
    GetGroup,
    GetGroups,
    GetHeldBack,
    GetMeasures,
    GetPoolSize,
    GetQueues,
    GetReadiness,
    GetRecent,
    GetRunning,
    GetRunningLog,
    GetStack,
    GetTree,
    Kill,
    Pause,
    PauseSchedule,
    PutSchedule,
    Redrive,
    RedriveDead,
    Resume,
    ResumeSchedule,
    RunSchedule,
    SetConsumers,
)
from taskqueue.errors import TooManyConsumers
from taskqueue.http.callers import Callers
from taskqueue.http.credentials import Credentials
from taskqueue.http.event_stream.streams import EventStreams, StreamLimits
from taskqueue.http.metrics.readings import Readings
from taskqueue.http.metrics.routes import MetricsRoutes
from taskqueue.http.permissions import Permissions
from taskqueue.http.route import Route
from taskqueue.http.routes import routes
from taskqueue.http.settings import SettingRoutes
from taskqueue.http.state import HttpState
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.access import Role, Token, digest_of
from taskqueue.rules.activity import Activity
from taskqueue.rules.health import Availability, QueueState, Readiness
from taskqueue.rules.logs import RunningLog
from taskqueue.rules.measures import Measures, TaskMeasures
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.proxies import NO_PROXIES
from taskqueue.rules.running import Running, RunningStack
from taskqueue.rules.schedules.values import Firing
from taskqueue.rules.sizes import Capacity, PoolSize, SetSize, pool_size, size_of
from taskqueue.rules.tasks import Delivery, Owner, SettleBy, Settlement
from taskqueue.runtime import Request
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.supervision import Node

NOW = 1_800_000_000.0
CONSUMERS = 2
SLOTS = 32
TOO_MANY = 1024  # consumers: the process may not open files for so many
OWNER = Owner(node="here", incarnation="1")


class StillClock:
    """Time that stands still."""

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW


def demo_app() -> App:
    app = App(clock=StillClock())

    @app.task("uppercase", schedulable=True)
    async def uppercase(ctx: Context, text: str = "") -> str:
        return text.upper()

    @app.task("send", queue="mail")
    async def send(ctx: Context) -> None: ...

    return app


class ModelClient(StorageClient):
    """A storage client that asks the model itself."""

    def __init__(self, model: MemoryStorage) -> None:
        self._model = model

    async def use(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await getattr(self._model, verb.__name__)(*args, **kwargs)


class ScriptedService:
    """The service port with its actors left out: the storage's model, and faults on command."""

    def __init__(self, app: App | None = None) -> None:
        self.app = app or demo_app()
        self.storage = MemoryStorage()
        self.availability = Availability()
        self.fault: Exception | None = None
        self.lost_answer: Exception | None = None  # raised when the tasks have been accepted
        self.on_read: Callable[[], Awaitable[object]] | None = None  # once, after a task is read
        self.ready = Readiness(ready=True)
        self.running = Running(attempts=(), truncated=False)
        self.running_logs: dict[str, RunningLog] = {}
        self.stacks: dict[str, RunningStack] = {}
        self.activity = Activity()
        self.measures = Measures(tasks=TaskMeasures(self.app.queues, self.app.actions))
        self.nodes = leaf("root")
        self.killed: list[str] = []
        self.sizes: list[int | None] = []
        self.pool = SetSize()
        self._client = ModelClient(self.storage)
        self._reads = StorageRequests(self._client, StillClock())

    async def __call__(self, request: Request[Any]) -> Any:
        """Answer a request: from the storage as the real port does, else as an actor would."""
        if isinstance(request, GetReadiness):
            return self.ready
        if isinstance(request, GetMeasures):
            return self.measures
        if self.fault is not None:
            raise self.fault
        if handler := self._reads.handlers.get(type(request)):
            answer = await handler(request)
            on_read, self.on_read = self.on_read, None
            if on_read is not None:
                await on_read()
            return answer
        return await self._act(request)

    async def _act(self, request: Request[Any]) -> Any:
        match request:
            case Enqueue(tasks=tasks):
                accepted = await self.storage.insert(tasks, now=NOW)
                if self.lost_answer is not None:
                    raise self.lost_answer
                return accepted
            case CancelTask(task_id=task_id, reason=reason):
                [result] = await self.storage.cancel([task_id], reason=reason, now=NOW)
                return result
            case EditTask(task_id=task_id, change=change, who=who):
                return await self.storage.edit(task_id, change, who=who, now=NOW)
            case Redrive(task_ids=task_ids):
                return await self.storage.redrive(task_ids, now=NOW)
            case RedriveDead(action=action, queue=queue):
                dead = DeadLetters(self._client, StillClock())
                return await dead.redrive(action=action, queue=queue)
            case GetQueues():
                return await self._queues()
            case ExplainWaiting() as asked:
                return await why_waiting(asked, self._queues, self._client, now=NOW)
            case ForecastRetries(task=task):
                return retries_of(self.app, RetryPolicy(), task, now=NOW)
            case Pause(queue=name):
                return await self.storage.pause(name, now=NOW)
            case Resume(queue=name):
                return await self.storage.resume(name)
            case ChangeLimit(name=name, values=values):
                return await self.storage.change_limit(name, values, now=NOW)
        return await self._act_on_groups(request)

    async def _act_on_groups(self, request: Request[Any]) -> Any:
        match request:
            case CloseGroup(wanted=wanted, tasks=tasks):
                return await self.storage.close_group(wanted, tasks, now=NOW)
            case GetHeldBack():
                return await held_back(self._queues, self._client, now=NOW)
            case GetGroup(name=name):
                return await self.storage.get_group(name)
            case GetGroups():
                return await self.storage.groups(**asdict(request))
        return await self._act_on_schedules(request)

    async def _act_on_schedules(self, request: Request[Any]) -> Any:
        match request:
            case PutSchedule(declared=declared, expected=expected):
                return await self.storage.put_schedule(declared, expected=expected, now=NOW)
            case PauseSchedule(name=name, reason=reason):
                return await self.storage.pause_schedule(name, reason=reason, now=NOW)
            case ResumeSchedule(name=name):
                return await self.storage.resume_schedule(name, now=NOW)
            case DeleteSchedule(name=name):
                return await self.storage.delete_schedule(name)
            case RunSchedule(name=name, task=task):
                firing = Firing(schedule=name, version=0, slot=NOW, task=task, run_now=True)
                return await self.storage.fire(firing, now=NOW)
        return self._supervise(request)

    def _supervise(self, request: Request[Any]) -> Any:
        match request:
            case GetRunning():
                return self.running
            case GetRunningLog(task_id=task_id):
                return self.running_logs.get(task_id)
            case GetStack(task_id=task_id):
                return self.stacks.get(task_id)
            case GetActivity(minutes=minutes):
                return self.activity.service.recent(minutes, now=NOW, at=NOW)
            case GetRecent(queue=queue):
                return self.activity.recent(queue, NOW)
            case GetTree():
                return self.nodes
            case Kill(path=path):
                there = path in {child.path for child in self.nodes.children}
                self.killed += [path] * there
                return there
            case SetConsumers(count=count):
                self.sizes.append(count)
                return size_of(count, CONSUMERS)
            case GetPoolSize(queue=queue):
                return self._pool_size(queue)
            case ChangePoolSize(queue=queue, change=change):
                if change.count == TOO_MANY:
                    raise TooManyConsumers(TOO_MANY, 4 * TOO_MANY, 192, 1024)
                self.pool = self.pool.changed(change)
                return self._pool_size(queue)
            case GetConsumers():
                return size_of(self.sizes[-1] if self.sizes else None, CONSUMERS)
        raise NotImplementedError(request)

    def _pool_size(self, queue: str) -> PoolSize | None:
        queues = self.app.queues
        configured = Capacity(count=CONSUMERS, slots=SLOTS)
        return pool_size(queues, self.pool, configured) if queue in queues else None

    async def _queues(self) -> tuple[QueueState, ...]:
        paused = await self.storage.paused()
        return tuple(
            QueueState(
                name=name,
                paused_at=paused.get(name),
                consumers=CONSUMERS,
                ageing_s=self.app.ageing.get(name),
                takes_turns=name in self.app.fair_queues,
            )
            for name in self.app.queues
        )

    async def grant(self, role: Role, name: str = "", *, expires_at: float | None = None) -> str:
        """Make a token and return its text."""
        text = f"tq_{name or role}"
        token = Token(
            name=name or role,
            role=role,
            digest=digest_of(text),
            created_at=NOW,
            expires_at=expires_at,
        )
        assert await self.storage.add_token(token)
        return text

    async def start_next(self, queue: str = "default") -> Delivery:
        """Begin with the task that is next."""
        [delivery] = await self.storage.claim(queue, limit=1, owner=OWNER, lease_s=30.0, now=NOW)
        await self.storage.start([delivery.token], now=NOW)
        return delivery

    async def settle_next(self, settlement: Settlement, queue: str = "default") -> str:
        """Run the task that is next, with this end; return its id."""
        delivery = await self.start_next(queue)
        end = SettleBy(token=delivery.token, settlement=settlement)
        await self.storage.settle([end], now=NOW)
        return delivery.task.id


def table_of(service: ScriptedService) -> tuple[Route, ...]:
    """Return the route table."""
    clock, state = StillClock(), HttpState()
    credentials = Credentials(service, clock)
    callers = Callers(state.sessions, clock, on_unix=False, proxies=NO_PROXIES)
    streams = EventStreams(state.broadcaster, Permissions(callers, credentials), StreamLimits())
    return routes(
        service,
        service.app,
        clock,
        TaskWaits(),
        streams,
        state=state,
        credentials=credentials,
        metrics=MetricsRoutes(Readings(service, clock), service.availability, state.broadcaster),
        settings=SettingRoutes(()),
    )


def leaf(path: str, **changes: object) -> Node:
    fields: dict[str, object] = {
        "path": path,
        "id": path.rpartition("/")[2],
        "type": "worker",
        "status": "running",
        "incarnation": 1,
        "started_at": NOW,
        "last_exit": None,
        "last_exit_at": None,
    }
    return Node(**(fields | changes))  # type: ignore[arg-type]
