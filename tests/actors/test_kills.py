"""Anybody is killed at any moment, under load: at the end the books are right.

`TEST_KILLS_S` says for how many seconds, `TEST_KILLS_SEED` repeats a run.
"""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.api.context import Context
from taskqueue.api.outcomes import Reject, Snooze
from taskqueue.errors import ActorError, StorageUnavailable
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import ENDED, NewTask
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.events import EventLog
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import Lives, World
from tests.postgres_server import PostgresServer
from tests.storage.conftest import migrated_template, postgres

__all__ = ["migrated_template", "postgres"]

SECONDS = float(os.environ.get("TEST_KILLS_S", "2"))  # for each storage
SEED = int(os.environ.get("TEST_KILLS_SEED", random.randrange(2**32)))
NEVER_GIVE_UP = RetryPolicy(
    initial_s=0.01, factor=1.0, jitter=0.5, max_crashes=1000, max_deliveries=1000
)
ACTIONS = ("sleep", "thread", "flaky", "snooze", "bomb", "doomed")


def in_memory(_: Path) -> Callable[[], Storage]:
    storage = FaultyStorage(MemoryStorage())
    return lambda: storage


def in_a_file(folder: Path) -> Callable[[], Storage]:
    return partial(SQLiteStorage, folder / "tasks.db")


@pytest.fixture(params=["memory", "a file", "a server"])
def make_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Storage]:
    match request.param:
        case "memory":
            return in_memory(tmp_path)
        case "a file":
            return in_a_file(tmp_path)
        case _:
            server: PostgresServer = request.getfixturevalue("postgres")
            template: str = request.getfixturevalue("migrated_template")
            name = asyncio.run(server.create(template=template))
            return partial(PostgresStorage, PostgresDatabase(url=server.url_of(name)))


@pytest.fixture
async def stormy(events: EventLog, make_storage: Callable[[], Storage]) -> AsyncIterator[World]:
    lives = Lives()
    async with World(events, make_storage, kill_grace_s=0.5) as world:
        yield world
    await lives.assert_no_more()


class Storm:
    """Load, and somebody who kills."""

    def __init__(self, world: World, draw: random.Random) -> None:
        self.world = world
        self.draw = draw
        self.over = False
        self.accepted: dict[str, str] = {}  # task: its action
        self.kills: Counter[str] = Counter()
        self._add_handlers()

    def _add_handlers(self) -> None:
        app, runs, draw = self.world.app, self.world.runs, self.draw

        @app.task("sleep", max_attempts=10_000)
        async def sleep(ctx: Context) -> str:
            runs.append(ctx.task.id)
            await asyncio.sleep(draw.random() / 100)
            return ctx.task.id

        @app.task("thread", max_attempts=10_000)
        def thread(ctx: Context) -> str:
            runs.append(ctx.task.id)
            return ctx.task.id

        @app.task("flaky", max_attempts=10_000)
        async def flaky(ctx: Context) -> bool | None:
            runs.append(ctx.task.id)
            return draw.random() < 0.5

        @app.task("snooze", max_attempts=10_000)
        async def snooze(ctx: Context) -> str:
            runs.append(ctx.task.id)
            if draw.random() < 0.5:
                raise Snooze(0.001)
            return ctx.task.id

        @app.task("bomb", max_attempts=10_000)
        async def bomb(ctx: Context) -> str:
            runs.append(ctx.task.id)
            if draw.random() < 0.1:
                raise SystemExit(1)
            return ctx.task.id

        @app.task("doomed", max_attempts=10_000)
        async def doomed(ctx: Context) -> None:
            runs.append(ctx.task.id)
            raise Reject("doomed")

    async def post(self) -> None:
        """Enqueue one task after the other; who is refused repeats it."""
        while not self.over:
            task = self.world.prepare(self.draw.choice(ACTIONS))
            await self._accepted(task)
            self.accepted[task.id] = task.action
            await asyncio.sleep(self.draw.random() / 200)

    async def _accepted(self, task: NewTask) -> None:
        while True:
            with contextlib.suppress(ActorError, StorageUnavailable):
                return await self.world.app.enqueue(task)
            await asyncio.sleep(0.002)

    async def kill(self) -> None:
        while not self.over:
            await asyncio.sleep(self.draw.random() / 20)
            names = self.world.system.names
            roles = [names.whereis(DATABASE), names.whereis(QUEUE), *self.world.consumers]
            victim = self.draw.choice(roles)
            if victim is not None:
                self.kills[victim.label] += 1
                victim.kill()

    async def rage(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as group:
            for work in (self.post(), self.post(), self.kill()):
                group.create_task(work)
            await asyncio.sleep(seconds)
            self.over = True

    async def calm(self) -> None:
        """Wait until every task has ended."""
        async with asyncio.timeout(30):
            while await self._unfinished():  # noqa: ASYNC110 - only the storage knows
                await asyncio.sleep(0.02)

    async def _unfinished(self) -> int:
        with contextlib.suppress(ActorError, StorageUnavailable):
            counts = await self.world.storage.use(Storage.counts)
            return sum(number for status, number in counts.items() if status not in ENDED)
        return 1


async def test_whoever_is_killed_every_accepted_task_ends_once(stormy: World) -> None:
    print(f"TEST_KILLS_SEED={SEED}")  # noqa: T201 - it repeats a failure
    storm = Storm(stormy, random.Random(SEED))
    await stormy.start(consumers=3, slots=2, lease_s=0.5, drain_s=0.2, retry=NEVER_GIVE_UP)

    await storm.rage(SECONDS)
    await storm.calm()

    ran = Counter(stormy.runs)
    for task_id, action in storm.accepted.items():
        history = await stormy.history(task_id)
        ends = [str(each.outcome) for each in history.attempts].count("completed")
        if action == "doomed":
            assert (history.task.status, ends) == ("dead", 0), history
        else:
            assert (history.task.status, ends) == ("completed", 1), history
        assert ran[task_id] <= history.task.deliveries, history  # none is run twice
    assert storm.accepted
    assert storm.kills
    await stormy.stop()
