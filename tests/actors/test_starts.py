"""When the start of an attempt is written: never for what is short, before it for what is risky."""

from typing import Any

import pytest

from taskqueue.api.context import Context
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.rules.options import Options
from taskqueue.rules.policy import RetryPolicy
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import World


async def test_a_short_attempt_costs_no_write_for_its_start_and_yet_tells_it(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()

    task_id = await world.enqueue("quick")
    await world.completed(task_id)

    task = (await world.history(task_id)).task
    assert task.started_at is not None
    assert "start" not in storage.calls


async def test_what_lasts_is_noted_as_started(world: World, storage: FaultyStorage) -> None:
    await world.start()

    task_id = await world.enqueue("wait")
    await storage.called("start")
    await storage.idle()
    status = (await world.history(task_id)).task.status
    world.gate.open()
    await world.completed(task_id)

    assert status == "running"


async def test_a_last_attempt_begins_when_its_start_is_written_and_not_before(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    held = storage.hold("start")

    task_id = await world.enqueue("quick", options=Options(max_attempts=1))
    await held.reached()
    runs_before = [*world.runs]
    held.release()
    await world.completed(task_id)

    assert runs_before == []
    assert world.runs == [task_id]


async def test_what_was_delivered_before_begins_when_its_start_is_written(
    world: World, storage: FaultyStorage
) -> None:
    attempts: list[int] = []

    @world.app.task("fail once")
    async def fail_once(ctx: Context) -> Any:
        attempts.append(ctx.attempt)
        return ctx.attempt > 1

    await world.start(retry=RetryPolicy(initial_s=0.0, jitter=0.0))
    held = storage.hold("start")
    task_id = await world.enqueue("fail once")
    await held.reached()
    attempts_before = [*attempts]
    held.release()
    await world.completed(task_id)

    assert attempts_before == [1]
    assert attempts == [1, 2]


@pytest.mark.parametrize("neighbours", [1, 20])
async def test_what_has_ended_is_told_though_the_next_handler_takes_the_consumer_down(
    world: World, neighbours: int
) -> None:
    @world.app.task("kill once")
    async def kill_once(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise ConsumerCrash

    await world.start(retry=RetryPolicy(initial_s=0.0, jitter=0.0))

    before = [await world.enqueue("quick", n=n) for n in range(neighbours)]
    killer = await world.enqueue("kill once")
    await world.completed(*before, killer)

    assert sorted(world.runs) == sorted(before)  # each once
    for task_id in before:
        assert await world.outcomes(task_id) == ["completed"]
