"""Whoever is killed at whatever moment: no task is lost, and none is done twice."""

import asyncio
from typing import Any

import pytest

from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.actors.queue import fetcher
from taskqueue.actors.queue.completer import Completer
from taskqueue.api.context import Context
from taskqueue.errors import ActorUnavailable
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.rules.options import Options
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import Owner, Release, SettleBy
from taskqueue.runtime import Request, ask
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import NOW, Gate, World


class NobodyUnderstandsThis(Request[None]):
    """Crashes any actor."""


async def kill(world: World, name: str) -> None:
    absence = await world.absent(name)
    await absence.over()


# --- a consumer ends ----------------------------------------------------------------------------


async def test_an_attempt_whose_consumer_is_killed_has_crashed_and_is_tried_again(
    world: World,
) -> None:
    await world.start()
    task_id = await world.enqueue("wait")
    await world.begun(task_id)

    world.consumers[0].kill()
    await world.begun(task_id, attempt=2)
    world.gate.open()
    await world.completed(task_id)

    crashed, completed = (await world.history(task_id)).attempts
    assert (crashed.outcome, crashed.error) == ("crashed", "consumer ended: killed")
    assert completed.outcome == "completed"


@pytest.mark.parametrize("error", [SystemExit(3), ConsumerCrash()])
@pytest.mark.parametrize("threaded", [False, True])
async def test_a_handler_that_takes_its_consumer_down_only_interrupts_its_neighbours(
    world: World, error: BaseException, threaded: bool
) -> None:
    if threaded:

        @world.app.task("kill")
        def kill_from_thread(ctx: Context) -> str:
            if ctx.attempt == 1:
                raise error
            return "survived"

    else:

        @world.app.task("kill")
        async def kill_from_loop(ctx: Context) -> str:
            if ctx.attempt == 1:
                raise error
            return "survived"

    await world.start(slots=2, drain_s=30)
    neighbour = await world.enqueue("wait")
    await world.begun(neighbour)

    killer = await world.enqueue("kill")
    await world.completed(killer)  # long before a drain could be over
    world.gate.open()
    await world.completed(neighbour)

    assert await world.outcomes(killer) == ["crashed", "completed"]
    assert await world.outcomes(neighbour) == ["interrupted", "completed"]
    assert (await world.history(neighbour)).task.attempt == 1


async def test_a_task_that_takes_every_consumer_down_is_poison(world: World) -> None:
    @world.app.task("poison")
    async def poison(ctx: Context) -> None:
        raise SystemExit(1)

    await world.start(consumers=2)

    task_id = await world.enqueue("poison")
    await world.events.wait_for("task_dead_lettered", task_id=task_id)

    history = await world.history(task_id)
    assert [str(each.outcome) for each in history.attempts] == ["crashed"] * 3
    assert (history.task.reason or "").startswith("poison: crashed 3 times")
    await world.completed(await world.enqueue("quick"))


async def test_a_consumer_that_ends_while_there_is_no_queue_is_noticed_by_the_next(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    task_id = await world.enqueue("wait")
    await storage.called("start")
    await storage.idle()

    absence = await world.absent(QUEUE)
    consumer = world.consumers[0]
    consumer.kill()
    await consumer.ended()
    await absence.over()

    await world.begun(task_id, attempt=2)
    world.gate.open()
    await world.completed(task_id)
    assert await world.outcomes(task_id) == ["crashed", "completed"]


# --- the queue ends -----------------------------------------------------------------------------


async def test_handlers_run_on_over_the_death_of_the_queue(world: World) -> None:
    await world.start(consumers=2)
    tasks = [await world.enqueue("wait") for _ in range(2)]
    for task_id in tasks:
        await world.begun(task_id)

    await kill(world, QUEUE)
    await world.events.wait_for("queue_ready", nth=2)
    world.gate.open()
    await world.completed(*tasks)

    assert sorted(world.runs) == sorted(tasks)
    assert [await world.outcomes(each) for each in tasks] == [["completed"]] * 2
    assert world.events.select("task_rescued") == []


async def test_what_ends_while_there_is_no_queue_is_settled_by_the_next(world: World) -> None:
    left = asyncio.Event()
    loop = asyncio.get_running_loop()

    @world.app.task("leave")
    async def leave(ctx: Context) -> str:
        world.runs.append(ctx.task.id)
        await world.gate.passed()
        loop.call_soon_threadsafe(left.set)
        return "done"

    await world.start()
    task_id = await world.enqueue("leave")
    await world.begun(task_id)

    absence = await world.absent(QUEUE)
    world.gate.open()
    await left.wait()
    await absence.over()
    await world.completed(task_id)

    assert world.runs == [task_id]
    assert await world.outcomes(task_id) == ["completed"]
    await world.completed(await world.enqueue("quick"))  # its slot is free again


async def test_a_settlement_under_way_when_the_queue_dies_is_written_once(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    written = storage.hold_answers("settle")
    task_id = await world.enqueue("quick")
    await written.reached()

    await kill(world, QUEUE)
    written.release()
    await world.completed(task_id)

    assert world.runs == [task_id]
    assert await world.outcomes(task_id) == ["completed"]
    assert world.events.select("task_lease_lost") == []


async def test_an_outcome_is_reported_again_if_the_queue_crashes_while_it_writes_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.start()
    crashes = [ValueError("once")]
    settle = Completer._try

    async def crash_once(completer: Completer, *args: Any) -> Any:
        if crashes:
            raise crashes.pop()
        return await settle(completer, *args)

    monkeypatch.setattr(Completer, "_try", crash_once)
    task_id = await world.enqueue("quick")
    await world.completed(task_id)

    assert world.runs == [task_id]
    assert await world.outcomes(task_id) == ["completed"]
    [restarted] = world.events.select("child_restarted")
    assert restarted["child_id"] == "queue"


async def test_what_was_claimed_but_not_handed_out_is_handed_back(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(consumers=0)
    task_id = await world.enqueue("quick")
    claimed = storage.hold_answers("claim")
    await world.resize(1)
    await claimed.reached()

    await kill(world, QUEUE)
    claimed.release()
    await world.completed(task_id)

    task = (await world.history(task_id)).task
    assert (task.attempt, task.deliveries) == (1, 2)
    assert await world.outcomes(task_id) == ["completed"]


async def test_a_claim_that_is_written_after_its_queue_died_is_found(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(consumers=0, lease_s=0.3)
    task_id = await world.enqueue("quick")
    claim = storage.hold("claim")
    await world.resize(1)
    await claim.reached()

    await kill(world, QUEUE)
    await world.events.wait_for("queue_ready", nth=2)
    claim.release()

    await world.completed(task_id)
    assert world.runs == [task_id]


async def test_each_queue_actor_knows_which_slots_are_taken(world: World) -> None:
    await world.start()
    first = await world.enqueue("wait")
    others = [await world.enqueue("quick") for _ in range(5)]
    await world.begun(first)

    for life in range(2, 5):
        await kill(world, QUEUE)
        await world.events.wait_for("queue_ready", nth=life)
    before = list(world.runs)
    world.gate.open()
    await world.completed(first, *others)

    assert before == [first]
    assert sorted(world.runs) == sorted([first, *others])


async def test_a_consumer_that_is_blocked_keeps_its_task_though_it_cannot_say_so(
    world: World, storage: FaultyStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "REGISTRATION_S", 0.05)
    gate = Gate()

    @world.app.task("block")
    async def block(ctx: Context) -> None:
        world.runs.append(ctx.task.id)
        gate.block()

    await world.start()
    task_id = await world.enqueue("block")
    await world.begun(task_id)

    await kill(world, QUEUE)
    await world.events.wait_for("queue_ready", nth=2)
    gate.open()
    await world.completed(task_id)

    assert world.runs == [task_id]
    assert world.events.select("task_rescued") == []


async def test_a_draining_consumer_finds_the_new_queue_actor(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(lease_s=0.15)
    task_id = await world.enqueue("wait")
    await world.begun(task_id)
    leaving = asyncio.create_task(world.resize(0))

    await kill(world, QUEUE)
    await world.events.wait_for("queue_ready", nth=2)
    await storage.called("rescue", times=4)  # longer than a lease
    world.gate.open()
    await leaving

    await world.completed(task_id)
    assert world.runs == [task_id]
    assert world.events.select("task_rescued") == []


async def test_a_dead_queue_actor_claims_nothing_more(world: World, storage: FaultyStorage) -> None:
    await world.start()
    task_id = await world.enqueue("quick", options=Options(delay_s=0.05))

    absence = await world.absent(QUEUE)
    claims = storage.calls.count("claim")
    await asyncio.sleep(0.1)  # it would have come due
    during = storage.calls.count("claim")
    await absence.over()

    assert during == claims
    await world.completed(task_id)


async def test_a_queue_that_crashes_during_an_outage_is_restarted_at_once(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    settle = storage.hold("settle")
    await world.enqueue("quick")
    await settle.reached()
    storage.break_down()  # now there is something that cannot be written
    settle.release()

    with pytest.raises(ActorUnavailable):
        await ask(world.system.address(QUEUE), NobodyUnderstandsThis())

    await world.events.wait_for("child_restarted", child_id="queue")


# --- the database ends --------------------------------------------------------------------------


@pytest.mark.parametrize("written", [False, True])
async def test_a_settlement_under_way_when_the_database_dies_is_repeated_by_its_token(
    world: World, storage: FaultyStorage, written: bool
) -> None:
    await world.start()
    settle = storage.hold_answers("settle") if written else storage.hold("settle")
    task_id = await world.enqueue("quick")
    await settle.reached()

    await kill(world, DATABASE)
    settle.release()
    await world.completed(task_id)

    assert world.runs == [task_id]
    assert await world.outcomes(task_id) == ["completed"]
    assert storage.calls.count("settle") == 2
    assert len(world.events.select("task_completed")) == 1


async def test_a_claim_whose_answer_died_with_the_database_costs_no_time(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(consumers=0, lease_s=30)
    task_id = await world.enqueue("quick")
    claimed = storage.hold_answers("claim")
    await world.resize(1)
    await claimed.reached()

    await kill(world, DATABASE)
    claimed.release()
    await world.completed(task_id)

    assert (await world.history(task_id)).task.attempt == 1


async def test_an_enqueue_that_died_with_the_database_is_answered(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    insert = storage.hold("insert")
    answer = asyncio.create_task(world.enqueue("quick"))
    await insert.reached()

    await kill(world, DATABASE)
    insert.release()

    with pytest.raises(ActorUnavailable):
        await answer
    await world.completed(await world.enqueue("quick"))


# --- an earlier life of the process ended -------------------------------------------------------


async def leave_behind(
    storage: FaultyStorage, world: World, *, started: bool, deliveries: int = 1
) -> str:
    """Let earlier lives of the service have claimed a task."""
    inner = storage.inner
    task = world.prepare("quick")
    await inner.migrate()
    await inner.open()
    await inner.insert([task], now=NOW)
    earlier = Owner(node="local", incarnation="earlier")
    [delivery] = await inner.claim("default", limit=1, owner=earlier, lease_s=1e9, now=NOW)
    for _ in range(deliveries - 1):
        lost = SettleBy(token=delivery.token, settlement=Release(delivery_counts=True))
        await inner.settle([lost], now=NOW)
        [delivery] = await inner.claim("default", limit=1, owner=earlier, lease_s=1e9, now=NOW)
    if started:
        await inner.start([delivery.token], now=NOW)
    return task.id


async def test_an_attempt_that_died_with_the_process_has_crashed(
    world: World, storage: FaultyStorage
) -> None:
    task_id = await leave_behind(storage, world, started=True)

    await world.start()
    await world.completed(task_id)

    assert await world.outcomes(task_id) == ["crashed", "completed"]


async def test_what_was_merely_buffered_gets_its_attempt_back(
    world: World, storage: FaultyStorage
) -> None:
    task_id = await leave_behind(storage, world, started=False)

    await world.start()
    await world.completed(task_id)

    task = (await world.history(task_id)).task
    assert (task.attempt, task.deliveries) == (1, 2)
    assert await world.outcomes(task_id) == ["completed"]


async def test_a_task_that_is_delivered_too_often_without_starting_is_buried(
    world: World, storage: FaultyStorage
) -> None:
    task_id = await leave_behind(storage, world, started=False, deliveries=2)

    await world.start(retry=RetryPolicy(max_deliveries=1))
    await world.events.wait_for("task_dead_lettered", task_id=task_id)

    task = (await world.history(task_id)).task
    assert (task.status, task.reason) == ("dead", "delivered 2 times without ever starting")
    assert world.runs == []
