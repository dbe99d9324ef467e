"""A handler's own asyncio task: what user code does to it, the caller's task does not notice."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from taskqueue import App, Context
from taskqueue.executors.eager import eagerly
from taskqueue.executors.loop import LoopExecutor
from taskqueue.rules.tasks import Failed, Outcome, Succeeded
from taskqueue.testing.claims import claimed

Body = Callable[[], Awaitable[object]]
Task = asyncio.Task[object]


async def run(body: Body) -> Outcome:
    app = App()

    @app.task("work")
    async def work(ctx: Context) -> object:
        return await body()

    context = Context(claimed(app.prepare("work")))
    return await LoopExecutor().run(app.handler("work"), context, {})


def current_task() -> Task:
    task = asyncio.current_task()
    assert task is not None
    return task


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- handlers that cancel their own task, in the ways of libraries --------------------------------


async def cancelled_by_a_timer(then: Callable[[], object]) -> object:
    """As async_timeout 4.0.2 and asgiref.timeout do it: nothing takes the request back."""
    asyncio.get_running_loop().call_soon(current_task().cancel)
    try:
        return await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        return then()


async def cancelled_after_a_failed_group(then: Callable[[], object]) -> object:
    async def fails() -> None:
        raise ValueError

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
    except* ValueError:
        current_task().cancel()
    return await caught(then)


async def cancelled_after_a_timeout(then: Callable[[], object]) -> object:
    try:
        async with asyncio.timeout(0):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        current_task().cancel()
    return await caught(then)


async def cancelled_in_the_first_step(then: Callable[[], object]) -> object:
    current_task().cancel()
    return await caught(then)


async def caught(then: Callable[[], object]) -> object:
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return then()
    raise AssertionError("was not cancelled")


WAYS = [
    cancelled_by_a_timer,
    cancelled_after_a_failed_group,
    cancelled_after_a_timeout,
    cancelled_in_the_first_step,
]


def fail() -> object:
    raise ValueError("half done")


@pytest.mark.parametrize("way", WAYS)
async def test_a_handler_that_catches_its_own_cancellation_has_its_value(
    way: Callable[[Callable[[], object]], Awaitable[object]],
) -> None:
    outcome = await run(lambda: way(lambda: "done"))

    assert outcome == Succeeded(result='"done"')
    assert current_task().cancelling() == 0


@pytest.mark.parametrize("way", WAYS)
async def test_a_handler_that_raises_at_its_own_cancellation_fails(
    way: Callable[[Callable[[], object]], Awaitable[object]],
) -> None:
    outcome = await run(lambda: way(fail))

    assert isinstance(outcome, Failed)
    assert outcome.error == "ValueError: half done"
    assert current_task().cancelling() == 0


async def test_a_cancellation_right_before_the_return_does_not_cost_the_value() -> None:
    async def at_once() -> str:
        current_task().cancel()
        return "done"

    async def later() -> str:
        await asyncio.sleep(0)
        return await at_once()

    assert await run(at_once) == Succeeded(result='"done"')
    assert await run(later) == Succeeded(result='"done"')


@pytest.mark.parametrize("waits", [0, 1])
async def test_a_cancellation_after_the_end_reaches_no_later_handler(waits: int) -> None:
    loop = asyncio.get_running_loop()

    async def leaves_a_timer() -> None:
        loop.call_soon(loop.call_soon, loop.call_soon, current_task().cancel)
        await turns(waits)

    async def innocent() -> str:
        await turns(5)
        return "done"

    await run(leaves_a_timer)

    assert await run(innocent) == Succeeded(result='"done"')
    assert current_task().cancelling() == 0


# --- the task itself ------------------------------------------------------------------------------


async def test_a_handler_has_one_task_of_its_own_from_its_first_step_on() -> None:
    seen: list[Task] = []

    async def body() -> None:
        seen.append(current_task())
        await asyncio.sleep(0)
        seen.append(current_task())

    await run(body)
    await run(body)

    first, then, second, _ = seen
    assert first is then
    assert len({first, second, current_task()}) == 3
    assert first.done()


async def test_a_coroutine_that_never_waits_costs_no_turn_of_the_loop() -> None:
    turned: list[bool] = []

    async def body() -> str:
        return "done"

    asyncio.get_running_loop().call_soon(turned.append, True)
    value = await eagerly(body(), asyncio.get_running_loop())

    assert (value, turned) == ("done", [])


async def test_a_cancellation_in_the_first_step_is_passed_on_to_what_is_awaited() -> None:
    inner_cancelled = asyncio.Event()

    async def inner() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            inner_cancelled.set()
            raise

    async def body() -> None:
        running = asyncio.create_task(inner())
        await asyncio.sleep(0)
        current_task().cancel()
        await running

    async def at_once() -> None:
        started = asyncio.get_running_loop().create_future()
        current_task().cancel()
        try:
            await started
        finally:
            assert started.cancelled()

    cut, cut_at_once = await run(body), await run(at_once)

    assert isinstance(cut, Failed)
    assert isinstance(cut_at_once, Failed)
    assert "AssertionError" not in cut_at_once.error
    assert inner_cancelled.is_set()


async def test_a_task_factory_of_user_code_is_not_used_for_handlers() -> None:
    loop = asyncio.get_running_loop()

    async def body() -> str:
        loop.set_task_factory(lambda *_, **__: None)  # type: ignore[arg-type,return-value]
        return "done"

    try:
        outcomes = [await run(body), await run(body)]
    finally:
        loop.set_task_factory(None)

    assert outcomes == [Succeeded(result='"done"')] * 2


async def test_a_caller_cut_when_its_handler_has_just_ended_has_the_outcome() -> None:
    loop = asyncio.get_running_loop()
    gate = loop.create_future()

    async def body() -> str:
        await gate
        caller.get_loop().call_soon(caller.cancel)  # before the caller hears of the end
        return "done"

    caller = asyncio.create_task(run(body))
    await asyncio.sleep(0)
    gate.set_result(None)

    assert await caller == Succeeded(result='"done"')
    assert caller.cancelling() == 1
