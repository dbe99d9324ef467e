"""A handler shares its loop with its consumer and cannot take it away."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable

import pytest

from taskqueue.api.context import Context
from tests.actors.world import World

Misdeed = Callable[[], Awaitable[object]]


def _cancel_all_tasks() -> None:
    for task in asyncio.all_tasks():
        task.cancel()


async def _cancel_all() -> None:
    _cancel_all_tasks()
    await asyncio.sleep(0.1)


async def _cancel_all_and_go_on() -> None:
    _cancel_all_tasks()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0.1)


async def _cancel_all_later() -> None:
    asyncio.get_running_loop().call_later(0.01, _cancel_all_tasks)
    await asyncio.sleep(0.1)


async def _cancel_all_from_a_task() -> None:
    await asyncio.create_task(_cancel_all())


async def _cancel_all_others_and_wait() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _stop_loop() -> None:
    asyncio.get_running_loop().stop()


async def _stop_loop_later() -> None:
    asyncio.get_running_loop().call_later(0.01, asyncio.get_running_loop().stop)
    await asyncio.sleep(0.1)


async def _exit_in_callback() -> None:
    asyncio.get_running_loop().call_soon(sys.exit, 3)
    await asyncio.sleep(0.1)


async def _exit_in_task() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    leaving = asyncio.get_running_loop().create_task(leave())
    leaving.add_done_callback(asyncio.Task.exception)  # else it is reported after the test
    await asyncio.sleep(0.1)


async def _interrupt_after_the_handler() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    asyncio.get_running_loop().call_later(0.01, interrupt)


async def _unset_loop_after_the_handler() -> None:
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(asyncio._set_running_loop, None)


@pytest.mark.parametrize(
    "misdeed",
    [
        _cancel_all,
        _cancel_all_and_go_on,
        _cancel_all_later,
        _cancel_all_from_a_task,
        _cancel_all_others_and_wait,
        _stop_loop,
        _stop_loop_later,
        _exit_in_callback,
        _exit_in_task,
        _interrupt_after_the_handler,
        _unset_loop_after_the_handler,
    ],
)
async def test_whatever_a_handler_does_to_its_loop_the_consumer_goes_on(
    world: World, misdeed: Misdeed
) -> None:
    @world.app.task("misbehave", max_attempts=2)
    async def misbehave(ctx: Context) -> None:
        await misdeed()

    await world.start(slots=2)

    misbehaving = await world.enqueue("misbehave")
    await world.ended(misbehaving)
    both_slots = [await world.enqueue("wait") for _ in range(2)]
    for task_id in both_slots:
        await world.begun(task_id)
    world.gate.open()
    await world.completed(*both_slots)

    assert set(await world.outcomes(misbehaving)) <= {"completed", "failed"}
    assert world.events.select("child_restarted") == []
    assert world.events.select("actor_crashed") == []


async def test_a_handler_that_cancels_all_tasks_of_its_loop_leaves_its_neighbour_alone(
    world: World,
) -> None:
    @world.app.task("misbehave", max_attempts=2)
    async def misbehave(ctx: Context) -> None:
        await _cancel_all_later()

    await world.start(slots=2)
    neighbour = await world.enqueue("wait")
    await world.begun(neighbour)

    misbehaving = await world.enqueue("misbehave")
    await world.ended(misbehaving)
    world.gate.open()
    await world.completed(neighbour)

    assert await world.outcomes(neighbour) == ["completed"]
