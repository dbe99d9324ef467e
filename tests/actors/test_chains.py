"""Tasks of a hot key run one after the other, without a commit between them, and never at once."""

import asyncio
import time
from typing import Any

import pytest

from taskqueue import CallNext, Context, Limit, Retry
from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.commands import CancelTask, ChangeLimit, Pause, Resume
from taskqueue.rules.leases import chains
from taskqueue.rules.limits import LimitValues
from taskqueue.rules.tasks import DEFAULT_QUEUE
from taskqueue.runtime import Request, ask
from taskqueue.storage.protocol import Storage
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import World


class Hot:
    """Tasks with one limit, and who was running when each of them began."""

    def __init__(self, world: World, running: int = 1) -> None:
        self.world = world
        self.runs: list[str] = []
        self.at_once: dict[str, int] = {}
        self._now: set[str] = set()

        @world.app.task("hot", limit=Limit(running=running, name="hot"))
        async def hot(ctx: Context, do: str = "") -> None:
            self._now.add(ctx.task.id)
            self.runs.append(ctx.task.id)
            self.at_once[ctx.task.id] = len(self._now)
            try:
                if do == "wait":
                    await world.gate.passed()
                if do == "retry" and ctx.task.attempt == 1:
                    raise Retry(after_s=0)
            finally:
                self._now.remove(ctx.task.id)

    async def start(self) -> None:
        """Start the service, and run some, so that chains have become long."""
        await self.world.start(slots=4)
        for _ in range(5):
            await self.world.completed(await self.world.enqueue("hot"))
        self.runs.clear()

    async def together(self, *handlers: str) -> list[str]:
        """Enqueue tasks that are claimed with one another."""
        await self.tell(Pause(queue=DEFAULT_QUEUE))
        tasks = [await self.world.enqueue("hot", do=do) for do in handlers]
        await self.tell(Resume(queue=DEFAULT_QUEUE))
        return tasks

    async def tell(self, message: Request[Any]) -> None:
        await ask(self.world.system.address(QUEUE), message)

    async def handed_back(self, *task_ids: str) -> None:
        for task_id in task_ids:
            await self.world.events.wait_for("task_handed_back", task_id=task_id)


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain goes on for as long as a busy machine needs."""
    monkeypatch.setattr(chains, "CHAIN_S", 600.0)


async def test_the_next_begins_before_the_end_of_the_one_before_is_written(
    world: World, storage: FaultyStorage
) -> None:
    hot = Hot(world)
    await hot.start()
    settling = storage.hold("settle")

    tasks = await hot.together("", "", "", "")
    for task in tasks:
        await world.begun(task)
    [usage] = await world.storage.use(Storage.limits, now=time.time())
    settling.release()
    await world.completed(*tasks)

    assert (usage.running, usage.waiting) == (1, 3)  # as far as is written
    assert hot.runs == tasks
    assert [hot.at_once[task] for task in tasks] == [1] * 4


async def test_a_thread_that_outlives_its_middleware_keeps_its_slot(world: World) -> None:
    @world.app.middleware
    async def give_up(ctx: Context, call_next: CallNext) -> object:
        try:
            async with asyncio.timeout(0.01 if ctx.task.action == "thread" else None):
                return await call_next()
        except TimeoutError:
            return None  # the thread runs on

    @world.app.task("thread", limit=Limit(running=1, name="hot"))
    def in_thread(ctx: Context, block: bool = False) -> None:
        world.runs.append(ctx.task.id)
        if block:
            world.gate.block()

    hot = Hot(world)
    await hot.start()
    await hot.tell(Pause(queue=DEFAULT_QUEUE))
    first, second = [await world.enqueue("thread", block=block) for block in (True, False)]
    await hot.tell(Resume(queue=DEFAULT_QUEUE))

    await world.events.wait_for("handler_runs_on", task_id=first)
    await world.completed(await world.enqueue("quick"))
    begun_beside_it = second in world.runs
    world.gate.open()
    await world.completed(first, second)

    assert not begun_beside_it


async def test_one_that_is_to_be_done_again_keeps_its_place(world: World) -> None:
    hot = Hot(world)
    await hot.start()

    a, b, c = await hot.together("retry", "", "")
    await world.completed(a, b, c)

    assert hot.runs == [a, a, b, c]


async def test_a_pause_hands_back_what_is_chained(world: World) -> None:
    hot = Hot(world)
    await hot.start()
    a, b, c = await hot.together("wait", "", "")
    await world.begun(a)

    await hot.tell(Pause(queue=DEFAULT_QUEUE))

    await hot.handed_back(b, c)
    world.gate.open()
    await world.completed(a)
    assert hot.runs == [a]
    await hot.tell(Resume(queue=DEFAULT_QUEUE))
    await world.completed(b, c)


async def test_a_chained_task_can_be_cancelled(world: World) -> None:
    hot = Hot(world)
    await hot.start()
    a, b, c = await hot.together("wait", "", "")
    await world.begun(a)

    await hot.tell(CancelTask(task_id=b, reason="not wanted"))
    await world.events.wait_for("task_cancelled", task_id=b)
    world.gate.open()

    await world.completed(a, c)
    assert hot.runs == [a, c]


async def test_a_lowered_limit_holds_at_once(world: World) -> None:
    hot = Hot(world, running=2)
    await hot.start()
    a, b, c, d = await hot.together("wait", "wait", "", "")
    await world.begun(a)
    await world.begun(b)

    await hot.tell(ChangeLimit(name="hot", values=LimitValues(running=1)))
    await hot.handed_back(c, d)
    world.gate.open()

    await world.completed(a, b, c, d)
    assert [hot.at_once[task] for task in (a, b, c, d)] == [1, 2, 1, 1]


async def test_what_is_chained_behind_a_long_task_is_handed_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot = Hot(world)
    await hot.start()
    monkeypatch.setattr(chains, "CHAIN_S", 0.0)

    a, b, c = await hot.together("wait", "", "")

    await hot.handed_back(b, c)
    facts = await world.storage.use(Storage.gate_of, c, now=time.time())
    assert facts is not None
    assert (facts.running, facts.ahead) == ((a,), 1)
    world.gate.open()
    await world.completed(a, b, c)


@pytest.mark.parametrize("victim", [QUEUE, DATABASE])
async def test_a_chain_survives_the_end_of_a_part(world: World, victim: str) -> None:
    hot = Hot(world)
    await hot.start()
    a, b, c = await hot.together("wait", "", "")
    await world.begun(a)

    ref = world.queue if victim == QUEUE else world.database
    ref.kill()
    await world.events.wait_for("child_started", child_id=victim, incarnation=2)
    world.gate.open()

    await world.completed(a, b, c)
    assert hot.runs == [a, b, c]
    assert [hot.at_once[task] for task in (a, b, c)] == [1] * 3


async def test_the_end_of_a_consumer_ends_its_chain(world: World) -> None:
    hot = Hot(world)
    await hot.start()
    a, b, c = await hot.together("wait", "", "")
    await world.begun(a)
    [consumer] = world.consumers

    consumer.kill()
    await world.events.wait_for("child_restarted", child_id="consumer-1")
    world.gate.open()

    await world.completed(a, b, c)
    assert max(hot.at_once.values()) == 1
