"""Hooks: what they are told, and that no hook fails a task or delays one."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import pytest

from taskqueue import Context, TaskEvent
from taskqueue.actors import hooks as hooks_module
from taskqueue.actors.hooks import MOST_AT_ONCE
from taskqueue.api.hooks import HookCall
from taskqueue.errors import ConfigError
from taskqueue.events import Buffer
from taskqueue.runtime import Reply
from taskqueue.supervisor import ROOT_INTENSITY
from tests.actors.world import PATIENCE_S, World


class Told:
    """What hooks were told, to be waited for."""

    def __init__(self) -> None:
        self.events: list[tuple[str, TaskEvent]] = []
        self._wanted: list[tuple[int, Reply[None]]] = []

    def hook(self, name: str) -> Callable[[TaskEvent], Coroutine[Any, Any, None]]:
        async def hook(event: TaskEvent) -> None:
            self.events.append((name, event))
            for count, reply in self._wanted:
                if len(self.events) >= count:
                    reply.set(None)

        return hook

    async def times(self, count: int) -> list[str]:
        """Wait until hooks were called so often; return their names."""
        reply: Reply[None] = Reply()
        self._wanted.append((count, reply))
        if len(self.events) < count:
            await reply.within(PATIENCE_S, TimeoutError)
        return [name for name, _ in self.events]


@pytest.fixture
def told(world: World) -> Told:
    """Hooks for every moment, and actions that fail."""
    told = Told()
    world.app.on_started(told.hook("started"))
    world.app.on_succeeded(told.hook("succeeded"))
    world.app.on_failed(told.hook("failed"))
    world.app.on_dead(told.hook("dead"))

    @world.app.task("fail", max_attempts=2)
    async def fail(ctx: Context) -> NoReturn:
        raise ValueError("no such user")

    @world.app.task("crash", max_attempts=1)
    async def crash(ctx: Context) -> NoReturn:
        raise SystemExit

    return told


async def test_a_success_is_told_with_its_result(world: World, told: Told) -> None:
    await world.start()

    task_id = await world.enqueue("quick", n=7)

    assert await told.times(2) == ["started", "succeeded"]
    started, succeeded = (event for _, event in told.events)
    assert (started.task.id, started.result) == (task_id, None)
    assert (succeeded.task.id, succeeded.task.action) == (task_id, "quick")
    assert (succeeded.result, succeeded.error) == ("7", None)


async def test_each_failure_is_told_and_then_that_the_task_is_dead(
    world: World, told: Told
) -> None:
    await world.start()

    await world.enqueue("fail")

    names = ["started", "failed", "started", "failed", "dead"]
    assert await told.times(5) == names
    first, last, dead = (event for name, event in told.events if name != "started")
    assert (first.task.attempt, first.error) == (1, "ValueError: no such user")
    assert (last.task.attempt, last.error) == (2, "ValueError: no such user")
    assert dead.error == "all 2 attempts failed; last: ValueError: no such user"
    assert dead.traceback is not None
    assert "ValueError" in dead.traceback


async def test_a_crash_is_a_failure_too(world: World, told: Told) -> None:
    await world.start()

    await world.enqueue("crash")

    assert await told.times(3) == ["started", "failed", "dead"]


async def _raise(_: TaskEvent) -> NoReturn:
    raise LookupError("no\nnetwork")


async def _exit(_: TaskEvent) -> NoReturn:
    raise SystemExit(1)


async def _hang(_: TaskEvent) -> None:
    await asyncio.get_running_loop().create_future()


async def _hide(_: TaskEvent) -> None:
    asyncio._set_running_loop(None)
    raise LookupError("no loop")


async def _cancel(_: TaskEvent) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def _block(_: TaskEvent) -> None:
    time.sleep(0.1)  # noqa: ASYNC251 - this is the misdeed


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (_raise, "LookupError: no network"),
        (_exit, "SystemExit: 1"),
        (_hide, "LookupError: no loop"),
        (_cancel, "cancelled itself"),
        (_hang, "took over 0.05 s"),
        (_block, "took over 0.05 s"),
    ],
)
async def test_a_hook_that_fails_is_one_line_a_second_and_harms_no_task(
    world: World,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
    hook: Callable[[TaskEvent], Coroutine[Any, Any, None]],
    reason: str,
) -> None:
    monkeypatch.setattr(hooks_module, "HOOK_S", 0.05)
    world.app.on_started(hook)
    await world.start()
    began = time.monotonic()

    tasks = [await world.enqueue("quick") for _ in range(5)]
    await world.completed(*tasks)
    await told.times(10)
    failure = await world.events.wait_for("hook_failed")

    assert failure["hook"] == hook.__qualname__
    assert failure["reason"] == reason
    assert len(world.events.select("hook_failed")) <= 1 + time.monotonic() - began
    assert world.events.select("actor_crashed") == []
    for task_id in tasks:
        assert await world.outcomes(task_id) == ["completed"]


async def test_so_many_run_at_once_and_too_many_are_dropped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer: Buffer[HookCall] = Buffer(2)
    monkeypatch.setattr(world.app.hooks, "calls", buffer)
    running = 0
    most = 0

    @world.app.on_succeeded
    async def wait(_: TaskEvent) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await world.gate.passed()
        running -= 1

    await world.start()
    for _ in range(2 * MOST_AT_ONCE + 10):
        await world.completed(await world.enqueue("quick"))
    await world.events.wait_for("hooks_dropped")
    world.gate.open()

    assert most == MOST_AT_ONCE
    assert world.app.hooks.measures.dropped > 0


async def test_hooks_are_called_again_after_their_actor_was_killed(
    world: World, told: Told
) -> None:
    await world.start()
    await world.completed(await world.enqueue("quick"))
    await told.times(2)

    actor = world.system.address("hooks").whereis()
    assert actor is not None
    actor.kill()
    await world.events.wait_for("child_restarted", child_id="hooks")
    await world.completed(await world.enqueue("quick"))

    await told.times(4)
    assert world.events.select("actor_crashed") == []


async def test_a_hook_that_breaks_its_loop_again_and_again_ends_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.actors.world.OFTEN", ROOT_INTENSITY)

    @world.app.on_started
    async def break_loop(_: TaskEvent) -> None:
        asyncio.get_running_loop()._selector.close()  # type: ignore[attr-defined]

    await world.start()
    for nth in range(1, 4):
        await world.completed(await world.enqueue("quick"))
        await world.events.wait_for("child_restarted", child_id="hooks", nth=nth)

    await world.completed(await world.enqueue("quick"))
    restart = world.events.select("child_restarted", child_id="hooks")[-1]
    assert restart["restarts_in_period"] == 0
    assert await world.stop()


async def test_a_stop_makes_the_calls_that_wait(world: World, told: Told) -> None:
    await world.start()
    tasks = [await world.enqueue("quick") for _ in range(50)]
    await world.completed(*tasks)

    await world.stop()

    assert len(told.events) == 100


async def test_a_stop_does_not_wait_for_a_hook_that_hangs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks_module, "STOP_S", 0.05)
    world.app.on_started(_hang)
    await world.start()
    await world.completed(await world.enqueue("quick"))
    began = time.monotonic()

    assert await world.stop()

    assert time.monotonic() - began < hooks_module.HOOK_S


async def test_without_hooks_there_is_no_actor_for_them(world: World) -> None:
    await world.start()

    assert world.system.address("hooks").whereis() is None


def test_a_hook_must_be_an_async_def(world: World) -> None:
    hook: Any = print

    with pytest.raises(ConfigError, match="on_dead: must be an `async def`"):
        world.app.on_dead(hook)
