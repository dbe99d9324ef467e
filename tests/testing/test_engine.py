"""The engine for users' tests: the real one, on a clock that is moved by hand."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from taskqueue import App, CallNext, Context, Retries, Retry, Snooze, TaskEvent, every
from taskqueue.errors import NotRunning, StorageUnavailable, TaskNotFound
from taskqueue.rules.tasks import Status
from taskqueue.testing.clock import START
from taskqueue.testing.engine import Engine, NotDrained
from taskqueue.testing.events import EventLog

A_YEAR_S = timedelta(days=365).total_seconds()


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture(params=["memory", "sqlite"])
def engine(
    request: pytest.FixtureRequest, app: App, taskqueue_engine: Callable[[App], Engine]
) -> Engine:
    return Engine(app) if request.param == "memory" else taskqueue_engine(app)


async def test_what_was_enqueued_is_done_when_it_is_drained(app: App, engine: Engine) -> None:
    @app.task("add")
    async def add(ctx: Context, a: int, b: int = 1) -> int:
        return a + b

    async with engine:
        task_id = await add.enqueue(a=1)
        await engine.drain()
        task = await engine.task(task_id)

    assert (task.status, task.result) == ("completed", "2")


async def test_arguments_arrive_as_they_would_in_production(app: App, engine: Engine) -> None:
    arrived = []

    @app.task("take")
    def take(ctx: Context, key: UUID, pair: tuple[int, int]) -> None:
        arrived.append((key, pair))

    key = UUID(int=7)
    async with engine:
        task_id = await take.enqueue(key=key, pair=(1, 2))
        await engine.drain()
        payload = json.loads((await engine.task(task_id)).payload)

    assert arrived == [(key, (1, 2))]
    assert payload["data"] == {"key": str(key), "pair": [1, 2]}


async def test_what_comes_years_later_takes_no_time(app: App, engine: Engine) -> None:
    at: list[float] = []

    @app.task("note")
    async def note(ctx: Context) -> None:
        at.append(engine.clock.now())

    began = time.monotonic()
    async with engine:
        await note.with_options(delay_s=A_YEAR_S).enqueue()
        await note.with_options(delay_s=60).enqueue()
        await engine.drain()
        await note.with_options(delay_s=60).enqueue()  # counts from where the clock is now
        await engine.drain()
    took_s = time.monotonic() - began

    assert at == [START + 60, START + A_YEAR_S, START + A_YEAR_S + 60]
    assert took_s < 10


async def test_backoff_passes_on_the_clock(app: App, engine: Engine) -> None:
    at: list[float] = []

    @app.task("flaky", max_attempts=4)
    async def flaky(ctx: Context) -> None:
        at.append(engine.clock.now() - START)
        raise ValueError("not yet")

    async with engine:
        task_id = await flaky.enqueue()
        await engine.drain()
        history = await engine.history(task_id)

    assert at == [0.0, 1.0, 3.0, 7.0]
    assert history.task.status == "dead"
    assert [attempt.error for attempt in history.attempts] == ["ValueError: not yet"] * 4


async def test_the_clock_goes_no_further_than_the_horizon(app: App, engine: Engine) -> None:
    @app.task("later")
    async def later(ctx: Context) -> None: ...

    async with engine:
        at_edge = await later.with_options(delay_s=10).enqueue()
        beyond = await later.with_options(delay_s=10.5).enqueue()
        await engine.drain(horizon_s=10)

        assert (await engine.task(at_edge)).status == "completed"
        assert (await engine.task(beyond)).status == "scheduled"
        assert engine.clock.now() == START + 10


async def test_advancing_does_what_comes_due_when_it_does(app: App, engine: Engine) -> None:
    at: list[float] = []

    @app.task("again", max_attempts=10)
    async def again(ctx: Context) -> None:
        at.append(engine.clock.now() - START)
        raise Retry(after_s=4)

    async with engine:
        await again.enqueue()
        await engine.advance(10)
        await engine.advance(1)
        between = engine.clock.now() - START
        await engine.advance(1)

    assert between == 11
    assert at == [0, 4, 8, 12]


async def test_the_backoff_of_an_action_holds_for_each_kind_of_failure(
    app: App, engine: Engine
) -> None:
    at: dict[str, list[float]] = {"raises": [], "returns": [], "late": [], "usual": []}
    rule = Retries(initial_s=3, factor=1, jitter=0)

    def note(name: str) -> None:
        at[name].append(engine.clock.now() - START)

    @app.task(max_attempts=3, retries=rule)
    async def raises() -> None:
        note("raises")
        raise ValueError("bad")

    @app.task(max_attempts=3, retries=rule)
    async def returns() -> bool | None:
        note("returns")
        return False

    @app.task(max_attempts=3, retries=rule, timeout_s=0.01)
    async def late() -> None:
        note("late")
        await asyncio.Event().wait()

    @app.task(max_attempts=3)
    async def usual() -> None:
        note("usual")
        raise ValueError("bad")

    async with engine:
        for action in (raises, returns, late, usual):
            await action.enqueue()
        await engine.drain()

    assert at == {
        "raises": [0, 3, 6],
        "returns": [0, 3, 6],
        "late": [0, 3, 6],
        "usual": [0, 1, 3],
    }


async def test_a_task_that_comes_back_for_ever_ends_the_drain(app: App, engine: Engine) -> None:
    @app.task("snoozer")
    async def snoozer(ctx: Context) -> None:
        raise Snooze(delay_s=60)

    async with engine:
        task_id = await snoozer.enqueue()
        with pytest.raises(NotDrained, match=rf"20 steps.*\n  snoozer {task_id}: scheduled") as no:
            await engine.drain(max_steps=20)

    assert [task.id for task in no.value.left] == [task_id]


async def test_a_handler_that_hangs_ends_the_drain(app: App, engine: Engine) -> None:
    @app.task("hang")
    async def hang(ctx: Context) -> None:
        await asyncio.sleep(math.inf)

    async with engine:
        task_id = await hang.enqueue()
        with pytest.raises(NotDrained, match=rf"busy after 0.5 s.*\n  hang {task_id}: running"):
            await engine.drain(timeout_s=0.5)


async def test_follow_ups_are_drained_too(app: App, engine: Engine) -> None:
    @app.task("leaf")
    async def leaf(ctx: Context) -> None: ...

    @app.task("tree")
    async def tree(ctx: Context, depth: int) -> None:
        if depth:
            ctx.enqueue(tree, depth=depth - 1)
        ctx.enqueue(leaf)

    async with engine:
        await tree.enqueue(depth=2)
        await engine.drain()
        done = await engine.tasks(status="completed")

        assert sorted(task.action for task in done) == ["leaf"] * 3 + ["tree"] * 3
        assert await engine.tasks(status=Status.DEAD) == []


async def test_a_consumer_that_is_killed_costs_the_task_an_attempt(
    app: App, engine: Engine, events: EventLog
) -> None:
    @app.task("first time stuck")
    async def stuck(ctx: Context) -> str:
        if ctx.attempt == 1:
            await asyncio.sleep(math.inf)
        return "done"

    async with engine:
        task_id = await stuck.enqueue()
        await events.wait_for("attempt_started", task_id=task_id)
        await engine.kill("consumer-1")
        await engine.drain()
        history = await engine.history(task_id)

    assert [str(attempt.outcome) for attempt in history.attempts] == ["crashed", "completed"]


@pytest.mark.parametrize("part", ["consumer-1", "queue", "database"])
async def test_a_crash_loses_nothing(app: App, engine: Engine, events: EventLog, part: str) -> None:
    @app.task("count")
    async def count(ctx: Context, n: int) -> int:
        return n

    async with engine:
        before = [await count.enqueue(n=n) for n in range(5)]
        await engine.crash(part, ZeroDivisionError("a bug"))
        await events.wait_for("child_restarted", child_id=part)
        await engine.drain()
        tasks = [await engine.task(task_id) for task_id in before]

    assert [task.result for task in tasks] == ["0", "1", "2", "3", "4"]
    [crashed] = events.select("actor_crashed")
    assert "a bug" in crashed["reason"]


async def test_a_frozen_consumer_takes_nothing_until_it_thaws(
    app: App, engine: Engine, events: EventLog
) -> None:
    @app.task("step")
    async def step(ctx: Context) -> str:
        await asyncio.sleep(0)
        return "done"

    async with engine:
        frozen = await engine.freeze("consumer-1")
        task_id = await step.enqueue()
        engine.clock.advance(3600)  # its lease runs out again and again
        with pytest.raises(NotDrained):
            await engine.drain(timeout_s=0.3)
        meanwhile = await engine.task(task_id)
        frozen.thaw()
        await engine.drain()

        assert meanwhile.status == "queued"
        assert (await engine.task(task_id)).attempt == 1
        assert events.select("task_rescued") == []


async def test_a_storage_that_fails_now_and_then_is_survived(
    app: App, engine: Engine, events: EventLog
) -> None:
    @app.task("quick")
    async def quick(ctx: Context) -> None: ...

    async with engine:
        task_ids = [await quick.with_options(delay_s=n).enqueue() for n in range(3)]
        for nth in (1, 4, 9):
            engine.storage.fail_nth(nth, StorageUnavailable("hiccup"))
        await engine.drain()

        for task_id in task_ids:
            assert (await engine.task(task_id)).status == "completed"
    assert events.select("storage_degraded")


async def test_the_nth_call_of_a_verb_fails_and_the_others_do_not(app: App) -> None:
    @app.task("quick")
    async def quick(ctx: Context) -> None: ...

    async with Engine(app) as engine:
        engine.storage.fail_nth(2, StorageUnavailable("hiccup"), verb="insert")
        await quick.enqueue()
        with pytest.raises(StorageUnavailable, match="hiccup"):
            await quick.enqueue()


async def test_what_an_earlier_engine_left_is_done_by_the_next(
    app: App, taskqueue_engine: Callable[[App], Engine]
) -> None:
    gate = asyncio.Event()

    @app.task("wait")
    async def wait(ctx: Context, long: bool) -> None:
        if long and not gate.is_set():
            await asyncio.sleep(math.inf)

    async with taskqueue_engine(app):
        task_id = await wait.enqueue(long=True)
    gate.set()
    async with taskqueue_engine(app) as engine:
        await engine.drain()

        assert (await engine.task(task_id)).status == "completed"


async def test_outside_of_the_engine_nothing_is_enqueued(app: App) -> None:
    @app.task("quick")
    async def quick(ctx: Context) -> None: ...

    async with Engine(app) as engine:
        with pytest.raises(TaskNotFound):
            await engine.task("nobody")

    with pytest.raises(NotRunning):
        await quick.enqueue()


async def test_what_is_around_handlers_is_there_as_in_production(app: App, engine: Engine) -> None:
    life: list[str] = []
    told = asyncio.Event()

    @app.resources
    @asynccontextmanager
    async def resources() -> AsyncIterator[int]:
        life.append("open")
        yield 7
        life.append("close")

    @app.middleware
    async def add(ctx: Context[int], call_next: CallNext) -> object:
        return [await call_next(), ctx.resources]

    @app.task
    async def take(ctx: Context[int]) -> int:
        life.append("run")
        return ctx.resources

    loop = asyncio.get_running_loop()

    @app.on_succeeded
    async def tell(event: TaskEvent) -> None:
        loop.call_soon_threadsafe(told.set)

    async with engine:
        task_id = await take.enqueue()
        await engine.drain()
        task = await engine.task(task_id)
        await asyncio.wait_for(told.wait(), 20)

    assert task.result == "[7,7]"
    assert life == ["open", "run", "close"]


async def test_schedules_fire_at_their_slots_while_time_is_advanced() -> None:
    app = App()
    runs: list[str] = []

    @app.schedule(every(minutes=5), data={"slot": "{slot}"})
    @app.schedule(every(hours=1), name="queued", overlap="queue", data={"slot": "{slot}"})
    @app.task("tick")
    async def tick(slot: str) -> None:
        runs.append(slot)

    async with Engine(app) as engine:
        await engine.drain()
        before = [*runs]
        await engine.advance(1800)
        half_an_hour = [*runs]
        await engine.advance(2 * 3600)

    assert before == []
    assert half_an_hour == [f"2026-01-01T00:{minute:02}:00Z" for minute in range(5, 31, 5)]
    assert len(runs) == 30 + 2
