"""The stack of a handler in another process, as that process says."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from linecache import getline
from pathlib import Path
from typing import Any

import msgspec
import pytest

from taskqueue.api.handler import ExecutorKind
from taskqueue.api.loading import load_app
from taskqueue.executors.attempt import attempt
from taskqueue.executors.process.pool import ProcessExecutor
from taskqueue.executors.process.worker import MOST_ASKING
from taskqueue.rules.running import NO_STACK, HandlerLine, HandlerStack
from taskqueue.rules.tasks import Outcome, Succeeded, Task
from taskqueue.testing.claims import claimed
from tests.executors.procs import WAIT_S, noted

APP = load_app("tests.executors.processes:app")
LONG_TO_READ = 900_000  # bytes


def task_of(action: str, **data: Any) -> Task:
    return claimed(APP.prepare(action, msgspec.json.encode(data)))


class Processes:
    """The executor, and the stacks that it tells."""

    def __init__(self) -> None:
        self.executor = ProcessExecutor(APP, 1)

    async def run(self, task: Task) -> Outcome:
        return await attempt(APP, task, {ExecutorKind.PROCESS: self.executor})

    def asked(self, task: Task) -> "asyncio.Future[HandlerStack]":
        stack: asyncio.Future[HandlerStack] = asyncio.get_running_loop().create_future()
        self.executor.locate(task.id, sys._current_frames(), stack.set_result)
        return stack

    @asynccontextmanager
    async def running(self, task: Task) -> AsyncIterator[None]:
        """Have an attempt made meanwhile, and cut it."""
        making = asyncio.create_task(self.run(task))
        try:
            yield
        finally:
            making.cancel()
            await asyncio.wait({making})

    async def comes_to(self, task: Task, mark: str) -> HandlerLine:
        """Wait until the handler is at a line with this mark."""
        async with asyncio.timeout(WAIT_S):
            while True:
                line = (await self.asked(task)).line
                if line is not None and mark in getline(line.file, line.number):
                    return line
                await asyncio.sleep(0.001)  # no event tells of a line


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    processes = Processes()
    yield processes
    processes.executor.close()


@pytest.mark.parametrize(
    ("action", "function"), [("stand", "_stand"), ("stand_async", "stand_async")]
)
async def test_a_process_says_at_which_line_its_handler_is(
    processes: Processes, tmp_path: Path, action: str, function: str
) -> None:
    task = task_of(action, into=str(tmp_path / "pid"))

    async with processes.running(task):
        await noted(tmp_path / "pid")
        line = await processes.comes_to(task, "# it stands here")

    assert line.function == function
    assert Path(line.file).name == "processes.py"
    assert await processes.asked(task) == NO_STACK


async def test_a_process_that_is_asked_while_it_reads_its_task_can_be_asked_again(
    processes: Processes, tmp_path: Path
) -> None:
    await processes.run(task_of("echo", text="a"))  # it does not import the app meanwhile
    task = task_of("stand", into=str(tmp_path / "pid"), padding="x" * LONG_TO_READ)

    async with processes.running(task):
        line = await processes.comes_to(task, "# it stands here")

    assert line.function == "_stand"


async def test_a_process_tells_the_calls_of_its_handler_outermost_first(
    processes: Processes, tmp_path: Path
) -> None:
    task = task_of("stand", into=str(tmp_path / "pid"))

    async with processes.running(task):
        await noted(tmp_path / "pid")
        await processes.comes_to(task, "# it stands here")
        stack = await processes.asked(task)

    assert [call.function for call in stack.calls] == ["stand", "_stand"]
    assert not stack.truncated


async def test_a_process_that_does_not_react_answers_with_the_end_of_its_attempt(
    processes: Processes, tmp_path: Path
) -> None:
    task = task_of("keep_lock", into=str(tmp_path / "pid"))

    async with processes.running(task):
        await noted(tmp_path / "pid")
        asked = [processes.asked(task) for _ in range(MOST_ASKING + 1)]
        done, pending = await asyncio.wait(asked, timeout=0.1)
    stacks = await asyncio.gather(*asked)

    assert (len(done), len(pending)) == (1, MOST_ASKING)
    assert stacks == [NO_STACK] * len(asked)
    assert await processes.run(task_of("echo", text="a")) == Succeeded(result='"a"')


async def test_a_process_that_makes_another_attempt_is_not_taken_for_it(
    processes: Processes, tmp_path: Path
) -> None:
    ended, task = task_of("echo", text="a"), task_of("stand", into=str(tmp_path / "pid"))
    await processes.run(ended)

    async with processes.running(task):
        await noted(tmp_path / "pid")
        await processes.comes_to(task, "# it stands here")
        stack = await processes.asked(ended)

    assert stack == NO_STACK


@pytest.mark.parametrize(("action", "result"), [("join_all", "0"), ("alarm", '"interrupted"')])
async def test_a_handler_does_not_notice_the_thread_that_answers(
    processes: Processes, action: str, result: str
) -> None:
    async with asyncio.timeout(WAIT_S):
        outcome = await processes.run(task_of(action))

    assert outcome == Succeeded(result=result)
