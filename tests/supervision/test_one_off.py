"""One-off tasks: coroutines that run under a supervisor and end with it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import KILLED, SHUTDOWN, ActorRef, Crash, System
from taskqueue.supervision import DynamicSupervisor, MaxChildren, count_children, start_one_off


@pytest_asyncio.fixture
async def supervisor(system: System) -> AsyncIterator[ActorRef]:
    ref = await system.spawn(DynamicSupervisor, "tasks", max_children=1)
    yield ref
    if ref.is_alive():
        ref.exit(SHUTDOWN)
        await ref.ended()


async def test_the_result_is_what_the_coroutine_returns(supervisor: ActorRef) -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    task = await start_one_off(supervisor, work)

    assert await task.result == "done"
    await task.ref.ended()
    assert (await count_children(supervisor)).specs == 0


async def test_a_coroutine_that_raises_fails_its_result_and_is_not_run_again(
    supervisor: ActorRef,
) -> None:
    error, runs = ValueError("no"), []

    async def work() -> None:
        runs.append(1)
        raise error

    task = await start_one_off(supervisor, work)

    with pytest.raises(ActorUnavailable) as raised:
        await task.result
    assert raised.value.cause == Crash(error)
    assert (await count_children(supervisor)).specs == 0
    assert runs == [1]


async def test_a_task_that_is_killed_fails_its_result(supervisor: ActorRef) -> None:
    task = await start_one_off(supervisor, asyncio.Event().wait)

    task.ref.kill()

    with pytest.raises(ActorUnavailable) as raised:
        await task.result
    assert raised.value.cause == KILLED


async def test_a_supervisor_that_stops_cancels_its_tasks(supervisor: ActorRef) -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = await start_one_off(supervisor, work)
    supervisor.exit(SHUTDOWN)
    await supervisor.ended()

    assert cancelled.is_set()
    with pytest.raises(ActorUnavailable):
        await task.result


async def test_a_supervisor_that_is_full_refuses_a_task(supervisor: ActorRef) -> None:
    await start_one_off(supervisor, asyncio.Event().wait)

    with pytest.raises(MaxChildren):
        await start_one_off(supervisor, asyncio.Event().wait)
