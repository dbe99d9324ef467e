"""The service with its actors left out, for tests of the door alone."""

from collections.abc import Mapping, Sequence

from taskqueue.app import App
from taskqueue.context import Context
from taskqueue.health import Readiness
from taskqueue.options import Options
from taskqueue.storage.memory import MemoryStorage
from taskqueue.supervision import Node
from taskqueue.tasks import NewTask, Owner, SettleBy, Settlement, Status, Task, TaskHistory

NOW = 1_800_000_000.0
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
        self.ready = Readiness(ready=True)
        self.nodes = leaf("root")
        self.killed: list[str] = []
        self.sizes: list[int] = []

    def prepare(self, action: str, data: bytes, options: Mapping[str, object]) -> NewTask:
        return self.app.prepare(action, data, options=Options(**options))  # type: ignore[arg-type]

    async def enqueue(self, tasks: Sequence[NewTask]) -> None:
        self._fail()
        await self.storage.insert(tasks, now=NOW)

    async def find(
        self, *, status: Status | None, before: str | None, limit: int
    ) -> tuple[Task, ...]:
        self._fail()
        return await self.storage.find(status=status, before=before, limit=limit, now=NOW)

    async def get(self, task_id: str) -> TaskHistory | None:
        self._fail()
        return await self.storage.get(task_id, now=NOW)

    async def counts(self) -> Mapping[Status, int]:
        self._fail()
        return await self.storage.counts()

    async def redrive(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        self._fail()
        return await self.storage.redrive(task_ids, now=NOW)

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

    async def settle_next(self, settlement: Settlement) -> str:
        """Run the task that is next, with this end; return its id."""
        [delivery] = await self.storage.claim(
            "default", limit=1, owner=OWNER, lease_s=30.0, now=NOW
        )
        await self.storage.start([delivery.token], now=NOW)
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
