"""What runs in a real service, whatever its handlers do."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from linecache import getline
from pathlib import Path

import pytest

from taskqueue import AsyncClient, Client
from taskqueue.client.attempt_views import RunningTask
from taskqueue.errors import CallRefused, TaskNotFound
from taskqueue.rules.running import HandlerLine
from taskqueue.testing.process import ServiceProcess
from tests.forked.service import ForkedService
from tests.system import busy_app

pytestmark = pytest.mark.timeout(150)

WAIT_S = 60.0  # for a line, on a busy machine
HERE = "# here"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    arguments = ("--app", "tests.system.busy_app:app", "--consumers", "2", "--slots", "3")
    async with ForkedService(tmp_path, *arguments, "--drain-s", "0") as service:
        yield service


@pytest.fixture
async def client(service: ServiceProcess) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(service.url) as client:
        yield client


async def shown(
    client: AsyncClient, is_so: Callable[[Mapping[str, RunningTask]], bool]
) -> Mapping[str, RunningTask]:
    """Return what runs by action, once it is as a test expects: no event tells of a line."""
    async with asyncio.timeout(WAIT_S):
        while True:
            running = {each.action: each for each in await client.running()}
            if is_so(running):
                return running
            await asyncio.sleep(0.01)


def is_here(line: HandlerLine | None) -> bool:
    """Tell whether it is the line that a handler stays at, shown below the folder of its app."""
    return (
        line is not None
        and Path(busy_app.__file__).as_posix().endswith(f"/{line.file}")
        and "here" in getline(busy_app.__file__, line.number)
    )


def at_line(*actions: str) -> Callable[[Mapping[str, RunningTask]], bool]:
    def are_there(running: Mapping[str, RunningTask]) -> bool:
        return all(action in running and is_here(running[action].line) for action in actions)

    return are_there


async def test_each_running_attempt_is_shown_with_the_line_of_its_handler(
    client: AsyncClient,
) -> None:
    tasks = {action: await client.enqueue(action) for action in ("waits", "computes", "apart")}
    await shown(client, at_line(*tasks))  # before the loop of "waits" may be blocked
    tasks["blocks"] = await client.enqueue("blocks")

    running = await shown(client, at_line(*tasks))

    assert {action: each.task_id for action, each in running.items()} == {
        action: task.id for action, task in tasks.items()
    }
    assert {
        action: (each.executor, each.line and each.line.function)
        for action, each in running.items()
    } == {
        "waits": ("loop", "asleep"),
        "computes": ("thread", "computes"),
        "apart": ("process", "apart"),
        "blocks": ("loop", "blocks"),
    }
    assert running["waits"].progress == {"done": 1}
    assert running["computes"].progress is None  # it is too long for a list
    assert {each.attempt for each in running.values()} == {1}
    assert {each.consumer for each in running.values()} <= {"consumer-1", "consumer-2"}
    assert all(0 <= each.age_s <= WAIT_S for each in running.values())


async def test_the_stack_of_each_running_task_is_told_while_it_runs(
    client: AsyncClient, service: ServiceProcess
) -> None:
    tasks = {action: await client.enqueue(action) for action in ("waits", "computes", "apart")}
    await shown(client, at_line(*tasks))
    tasks["blocks"] = await client.enqueue("blocks")
    await shown(client, at_line(*tasks))

    stacks = {action: await task.stack() for action, task in tasks.items()}

    assert {
        action: (stack.executor, [call.function for call in stack.stack])
        for action, stack in stacks.items()
    } == {
        "waits": ("loop", ["waits", "asleep"]),
        "computes": ("thread", ["computes"]),
        "apart": ("process", ["apart"]),
        "blocks": ("loop", ["blocks"]),
    }
    assert {stack.attempt for stack in stacks.values()} == {1}
    with Client(service.url) as queue:
        told = await asyncio.to_thread(queue.task(tasks["waits"].id).stack)
    assert told.stack == stacks["waits"].stack


async def test_what_a_running_attempt_has_logged_is_told_before_its_end(
    client: AsyncClient,
) -> None:
    tasks = {action: await client.enqueue(action) for action in ("waits", "computes", "apart")}
    await shown(client, at_line(*tasks))

    while running := {action: [log async for log in task.logs()] for action, task in tasks.items()}:
        if all(running.values()):  # the line of a process comes on its pipe
            break
        await asyncio.sleep(0.01)
    await tasks["waits"].cancel()
    await tasks["waits"].wait(timeout_s=WAIT_S)
    [ended] = [log async for log in tasks["waits"].logs()]

    for action, [log] in running.items():
        assert (log.attempt, log.outcome, log.ended_at) == (1, None, None)
        assert [line.message for line in log.lines] == [action]
    assert (ended.attempt, ended.outcome) == (1, "cancelled")


async def test_a_task_that_has_ended_and_one_that_never_was_have_no_stack(
    client: AsyncClient,
) -> None:
    task = await client.enqueue("waits")
    await shown(client, at_line("waits"))
    await task.cancel()
    await task.wait(timeout_s=WAIT_S)

    with pytest.raises(CallRefused, match="not running"):
        await task.stack()
    with pytest.raises(TaskNotFound):
        await client.task("0197a4c8-0000-7000-8000-000000000000").stack()


async def test_the_answer_does_not_wait_for_a_process_that_does_not_react(
    client: AsyncClient, service: ServiceProcess
) -> None:
    await client.enqueue("deaf")
    await client.enqueue("waits")
    await shown(client, lambda running: {"deaf", "waits"} <= running.keys())

    took_s = []
    for _ in range(3):
        began = time.monotonic()
        running = await shown(client, at_line("waits"))
        took_s.append(time.monotonic() - began)

    assert running["deaf"].line is None
    assert min(took_s) <= 0.5


async def test_what_has_ended_is_not_shown(client: AsyncClient, service: ServiceProcess) -> None:
    cancelled = await client.enqueue("waits")
    await shown(client, at_line("waits"))
    await cancelled.cancel()
    await cancelled.wait(timeout_s=WAIT_S)
    after_the_end = await client.running()

    def script() -> list[RunningTask]:
        with Client(service.url) as queue:
            return [*queue.running()]

    assert after_the_end == []
    assert await asyncio.to_thread(script) == []
