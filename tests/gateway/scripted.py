"""The service with its actors left out, for tests of the door alone."""

from collections.abc import Mapping, Sequence

from taskqueue.api.app import App
from taskqueue.api.context import Context
from taskqueue.rules.health import QueueState, Readiness
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import (
    Accepted,
    CancelResult,
    Delivery,
    NewTask,
    Owner,
    SettleBy,
    Settlement,
    Status,
    Task,
    TaskHistory,
)
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.supervision import Node

NOW = 1_800_000_000.0
CONSUMERS = 2
OWNER = Owner(node="here", incarnation="1")


class StillClock:
    """Time that stands still."""

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW


def demo_app() -> App:
    app = App(clock=StillClock())

    @app.task("uppercase")
    async def uppercase(ctx: Context, text: str = "") -> str:
        return text.upper()

    @app.task("send", queue="mail")
    async def send(ctx: Context) -> None: ...

    return app


class ScriptedService:
    """The service with its actors left out: the storage's model, and faults on command."""

    def __init__(self, app: App | None = None) -> None:
        self.app = app or demo_app()
        self.storage = MemoryStorage()
        self.fault: Exception | None = None
        self.unwritable: Exception | None = None  # known before anything is asked
        self.lost_answer: Exception | None = None  # raised when the tasks have been accepted
        self.ready = Readiness(ready=True)
        self.nodes = leaf("root")
        self.killed: list[str] = []
        self.sizes: list[int] = []

    def prepare(self, action: str, data: bytes, options: Options) -> NewTask:
        return self.app.prepare(action, data, options=options)

    def require_writable(self) -> None:
        if self.unwritable is not None:
            raise self.unwritable

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        self._fail()
        accepted = await self.storage.insert(tasks, now=NOW)
        if self.lost_answer is not None:
            raise self.lost_answer
        return accepted

    async def find(
        self,
        *,
        status: Status | None,
        action: str | None,
        queue: str | None,
        before: str | None,
        limit: int,
        max_bytes: int,
        brief: bool,
    ) -> tuple[Task, ...]:
        self._fail()
        return await self.storage.find(
            status=status,
            action=action,
            queue=queue,
            before=before,
            limit=limit,
            max_bytes=max_bytes,
            brief=brief,
            now=NOW,
        )

    async def get(self, task_id: str) -> TaskHistory | None:
        self._fail()
        return await self.storage.get(task_id, now=NOW)

    async def counts(self) -> Mapping[Status, int]:
        self._fail()
        return await self.storage.counts()

    async def cancel(self, task_id: str, *, reason: str) -> CancelResult:
        self._fail()
        [result] = await self.storage.cancel([task_id], reason=reason, now=NOW)
        return result

    async def redrive(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        self._fail()
        return await self.storage.redrive(task_ids, now=NOW)

    async def redrive_dead(self, *, action: str | None, queue: str | None) -> int:
        return len(await self.redrive(await self._dead(action, queue)))

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        self._fail()
        return await self.storage.delete(task_ids)

    async def delete_dead(self, *, action: str | None, queue: str | None) -> int:
        return len(await self.delete(await self._dead(action, queue)))

    async def queues(self) -> tuple[QueueState, ...]:
        self._fail()
        paused = await self.storage.paused()
        return tuple(
            QueueState(name=name, paused_at=paused.get(name), consumers=CONSUMERS)
            for name in self.app.queues
        )

    async def pause(self, queue: str) -> None:
        self._fail()
        await self.storage.pause(queue, now=NOW)

    async def resume(self, queue: str) -> None:
        self._fail()
        await self.storage.resume(queue)

    async def readiness(self) -> Readiness:
        return self.ready

    async def tree(self) -> Node:
        self._fail()
        return self.nodes

    async def kill(self, path: str) -> bool:
        self._fail()
        if path not in {child.path for child in self.nodes.children}:
            return False
        self.killed.append(path)
        return True

    async def resize(self, consumers: int) -> None:
        self._fail()
        self.sizes.append(consumers)

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def _dead(self, action: str | None, queue: str | None) -> list[str]:
        dead = await self.storage.find(
            status=Status.DEAD, action=action, queue=queue, limit=1_000_000, now=NOW
        )
        return [task.id for task in dead]

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
