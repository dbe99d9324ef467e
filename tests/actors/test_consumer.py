"""A consumer: from what a handler does to what the storage says about it."""

import asyncio
import json
import time
from typing import Any

import pytest

from taskqueue.actors.consumer.reports import NOTE_S
from taskqueue.api.app import App
from taskqueue.api.context import Context
from taskqueue.api.outcomes import Cancel, Reject, Retry, Snooze
from taskqueue.executors import attempt
from taskqueue.rules.filters import TaskFilter
from taskqueue.rules.options import Options
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import NewTask, Rejected, Task, TaskHistory
from taskqueue.storage.protocol import Storage
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import World


async def ended(world: World, task_id: str, event: str) -> TaskHistory:
    await world.events.wait_for(event, task_id=task_id)
    return await world.history(task_id)


def errors_of(history: TaskHistory) -> list[tuple[int, str, str | None]]:
    return [(each.attempt, str(each.outcome), each.error) for each in history.attempts]


async def test_what_a_handler_returns_is_the_result(world: World) -> None:
    await world.start()

    history = await ended(world, await world.enqueue("quick", n=7), "task_completed")

    assert (history.task.status, history.task.result) == ("completed", "7")
    assert errors_of(history) == [(1, "completed", None)]


async def test_false_is_a_failure_and_the_last_one_is_death(world: World) -> None:
    @world.app.task("no", max_attempts=2)
    async def no(ctx: Context) -> bool | None:
        return False

    await world.start()

    history = await ended(world, await world.enqueue("no"), "task_dead_lettered")

    assert history.task.status == "dead"
    assert history.task.reason == "all 2 attempts failed; last: returned False"
    assert errors_of(history) == [(1, "failed", "returned False"), (2, "failed", "returned False")]


async def test_an_exception_is_kept_and_the_task_is_tried_again(world: World) -> None:
    @world.app.task("flaky")
    async def flaky(ctx: Context) -> str:
        if ctx.attempt == 1:
            raise ValueError("not yet")
        return "well"

    await world.start()

    history = await ended(world, await world.enqueue("flaky"), "task_completed")

    assert errors_of(history) == [(1, "failed", "ValueError: not yet"), (2, "completed", None)]
    assert 'raise ValueError("not yet")' in (history.attempts[0].traceback or "")
    assert history.task.reason is None


async def test_a_thread_handler_is_served_alike(world: World) -> None:
    @world.app.task("threaded")
    def threaded(ctx: Context) -> str:
        if ctx.attempt == 1:
            raise ValueError("not yet")
        return "well"

    await world.start()

    history = await ended(world, await world.enqueue("threaded"), "task_completed")

    assert errors_of(history) == [(1, "failed", "ValueError: not yet"), (2, "completed", None)]


async def test_retry_waits_as_long_as_it_says_and_uses_the_attempt(world: World) -> None:
    at: list[float] = []

    @world.app.task("again")
    async def again(ctx: Context) -> None:
        at.append(time.monotonic())
        if len(at) == 1:
            raise Retry(0.1, "busy")

    await world.start()

    history = await ended(world, await world.enqueue("again"), "task_completed")

    assert errors_of(history) == [(1, "failed", "busy"), (2, "completed", None)]
    assert at[1] - at[0] >= 0.1


async def test_snooze_returns_the_attempt_however_often(world: World) -> None:
    runs = 0

    @world.app.task("snoozing", max_attempts=1)
    async def snoozing(ctx: Context) -> None:
        nonlocal runs
        runs += 1
        if runs <= 5:
            raise Snooze(0)

    await world.start()

    history = await ended(world, await world.enqueue("snoozing"), "task_completed")

    assert [str(each.outcome) for each in history.attempts] == ["snoozed"] * 5 + ["completed"]
    assert (history.task.attempt, history.task.deliveries) == (1, 6)


@pytest.mark.parametrize(
    ("verdict", "event", "status", "outcome"),
    [
        (Reject("no such user"), "task_dead_lettered", "dead", "rejected"),
        (Cancel("order gone"), "task_cancelled", "cancelled", "cancelled"),
    ],
)
async def test_a_last_word_ends_the_task_at_once(
    world: World, verdict: Exception, event: str, status: str, outcome: str
) -> None:
    @world.app.task("done")
    async def done(ctx: Context) -> None:
        raise verdict

    await world.start()

    history = await ended(world, await world.enqueue("done"), event)

    assert (history.task.status, history.task.reason) == (status, str(verdict))
    assert errors_of(history) == [(1, outcome, str(verdict))]


async def test_an_attempt_past_its_limit_is_cut(world: World) -> None:
    @world.app.task("slow", timeout_s=0.05, max_attempts=1)
    async def slow(ctx: Context) -> None:
        await world.gate.passed()

    await world.start()

    history = await ended(world, await world.enqueue("slow"), "task_dead_lettered")

    assert errors_of(history) == [(1, "timed_out", "timed out after 0.05 s")]


async def test_an_action_unknown_after_a_deploy_is_tried_until_a_release_knows_it(
    world: World,
) -> None:
    await world.start(retry=RetryPolicy(initial_s=0.02, factor=1, jitter=0))
    task_id = "from-an-older-release"
    gone = NewTask(id=task_id, action="gone", payload='{"action":"gone","data":{}}')
    await world.app.enqueue(gone)
    await world.events.wait_for("task_requeued", task_id=task_id)

    @world.app.task("gone")
    async def back(ctx: Context) -> str:
        return "back"

    history = await ended(world, task_id, "task_completed")
    assert (history.attempts[0].error or "").startswith("unknown action 'gone'")
    assert history.task.result == '"back"'


async def test_data_that_does_not_fit_after_a_deploy_is_dead_lettered_at_once(world: World) -> None:
    await world.start()
    task_id = "from-an-older-release"
    old = NewTask(id=task_id, action="quick", payload='{"action":"quick","data":{"n":"seven"}}')

    await world.app.enqueue(old)
    history = await ended(world, task_id, "task_dead_lettered")

    assert errors_of(history) == [(1, "rejected", "data.n: Expected `int`, got `str`")]


async def test_a_result_that_is_no_json_ends_the_task_and_not_the_consumer(world: World) -> None:
    @world.app.task("strange")
    async def strange(ctx: Context) -> object:
        return object()

    await world.start()

    history = await ended(world, await world.enqueue("strange"), "task_dead_lettered")

    assert "is not JSON" in (history.task.reason or "")
    assert world.events.select("child_restarted") == []


async def test_follow_ups_come_with_the_completion_at_their_time(world: World) -> None:
    @world.app.task("second")
    async def second(ctx: Context) -> str:
        return "second"

    @world.app.task("first")
    async def first(ctx: Context) -> list[str]:
        later = second.with_options(delay_s=0.05)
        return [ctx.enqueue(second), ctx.enqueue(later)]

    await world.start()

    history = await ended(world, await world.enqueue("first"), "task_completed")

    follow_ups = json.loads(history.task.result or "")
    await world.completed(*follow_ups)
    found = await world.storage.use(
        Storage.search, TaskFilter(parent=history.task.id), limit=9, now=0.0
    )
    assert {task.id for task in found.tasks} == {*follow_ups}
    assert history.task.parent is None


async def test_a_handler_may_enqueue_from_its_own_thread(world: World) -> None:
    @world.app.task("parent")
    async def parent(ctx: Context) -> str:
        return await world.enqueue("quick")

    await world.start()

    history = await ended(world, await world.enqueue("parent"), "task_completed")

    await world.completed((history.task.result or "").strip('"'))


async def test_a_handler_that_fails_leaves_no_follow_ups(world: World) -> None:
    @world.app.task("second")
    async def second(ctx: Context) -> None: ...

    @world.app.task("first", max_attempts=1)
    async def first(ctx: Context) -> bool | None:
        ctx.enqueue(second)
        return False

    await world.start()

    await ended(world, await world.enqueue("first"), "task_dead_lettered")

    assert world.events.select("attempt_started", action="second") == []


async def test_a_task_that_is_delayed_is_not_tried_before(world: World) -> None:
    await world.start()
    started = time.monotonic()

    await world.completed(await world.enqueue("quick", options=Options(delay_s=0.1)))

    assert time.monotonic() - started >= 0.09


async def test_other_slots_go_on_while_attempts_that_never_wait_follow_each_other(
    world: World,
) -> None:
    turns, seen, count = 0, list[int](), 200

    @world.app.task("patient")
    async def patient(ctx: Context) -> None:
        nonlocal turns
        while len(seen) < count:
            await asyncio.sleep(0)
            turns += 1

    @world.app.task("busy")
    async def busy(ctx: Context) -> None:
        ends_at = time.monotonic() + 0.0005
        while time.monotonic() < ends_at:
            pass
        seen.append(turns)

    await world.start(slots=2, prefetch=count + 1)
    patient_id = await world.enqueue("patient")
    for _ in range(count):
        await world.enqueue("busy")
    await world.events.wait_for("task_completed", task_id=patient_id, timeout_s=20.0)

    assert len(set(seen)) > count // 20


async def test_other_slots_go_on_while_tasks_that_are_refused_follow_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, seen, count = 0, list[int](), 200
    refuse = attempt.call_of

    @world.app.task("patient")
    async def patient(ctx: Context) -> None:
        nonlocal turns
        while len(seen) < count:
            await asyncio.sleep(0)
            turns += 1

    def slowly(app: App, task: Task, *args: Any, **kwargs: Any) -> Any:
        if task.action == "quick":
            ends_at = time.monotonic() + 0.0005
            while time.monotonic() < ends_at:
                pass
            seen.append(turns)
            return Rejected(reason="as told")
        return refuse(app, task, *args, **kwargs)

    monkeypatch.setattr(attempt, "call_of", slowly)
    await world.start(slots=2, prefetch=count + 1)
    patient_id = await world.enqueue("patient")
    for _ in range(count):
        await world.enqueue("quick")
    await world.events.wait_for("task_completed", task_id=patient_id, timeout_s=20.0)

    assert len(set(seen)) > count // 20


async def test_an_attempt_that_never_waits_is_not_noted_as_lasting_while_others_keep_the_loop(
    world: World, storage: FaultyStorage
) -> None:
    count = 30

    @world.app.task("busy")
    async def busy(ctx: Context) -> None:
        ends_at = time.monotonic() + 2 * NOTE_S
        while time.monotonic() < ends_at:
            pass

    await world.start(slots=4, prefetch=count)
    for _ in range(count):
        last = await world.enqueue("busy")
    await world.events.wait_for("task_completed", task_id=last, timeout_s=20.0)

    assert "start" not in storage.calls
