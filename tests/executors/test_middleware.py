"""Middleware around attempts, on each executor."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from taskqueue import App, CallNext, Context
from taskqueue.api.handler import ExecutorKind
from taskqueue.api.loading import load_app
from taskqueue.errors import ConfigError
from taskqueue.executors.attempt import attempt
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.process.pool import ProcessExecutor
from taskqueue.executors.protocol import ConsumerCrash, Executor
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.rules.tasks import Crashed, Failed, Outcome, Rejected, Succeeded, TimedOut
from taskqueue.testing.claims import claimed
from tests.executors.procs import WAIT_S
from tests.executors.surrounded import LIMIT_S

APP = load_app("tests.executors.surrounded:app")

Run = Callable[[str], Awaitable[Outcome]]

ALL = ("on_loop", "in_thread", "in_process", "on_loop_in_process")


@pytest.fixture
async def executors() -> AsyncIterator[Mapping[ExecutorKind, Executor]]:
    made: Mapping[ExecutorKind, Executor] = {
        ExecutorKind.LOOP: LoopExecutor(),
        ExecutorKind.THREAD: ThreadExecutor(1),
        ExecutorKind.PROCESS: ProcessExecutor(APP, 1),
    }
    yield made
    for each in made.values():
        each.close()


@pytest.fixture(params=ALL)
def run(request: pytest.FixtureRequest, executors: Mapping[ExecutorKind, Executor]) -> Run:
    """Make an attempt with a handler of one kind."""

    async def made(what: str) -> Outcome:
        task = claimed(APP.prepare(request.param, msgspec.json.encode({"what": what})))
        return await attempt(APP, task, executors)

    return made


async def test_the_first_is_the_outermost_and_sets_what_the_handler_finds(run: Run) -> None:
    assert await run("look") == Succeeded(result='{"outer":"look"}')


async def test_an_exception_of_the_handler_may_be_caught(run: Run) -> None:
    assert await run("divide") == Succeeded(result='{"outer":"caught"}')


async def test_an_exception_that_passes_fails_the_attempt(run: Run) -> None:
    outcome = await run("raise")

    assert isinstance(outcome, Failed)
    assert outcome.error == "KeyError: 'in the handler'"
    assert outcome.traceback is not None
    assert outcome.traceback.rstrip().endswith("KeyError: 'in the handler'")


async def test_what_it_raises_is_as_if_the_handler_had(run: Run) -> None:
    broken = await run("break")

    assert isinstance(broken, Failed)
    assert broken.error == "LookupError: no such user"
    refused = await run("refuse")
    assert isinstance(refused, Rejected)
    assert refused.reason == "not today"


@pytest.mark.parametrize("action", ["on_loop", "in_process", "on_loop_in_process"])
async def test_one_that_hangs_falls_under_the_time_limit(
    executors: Mapping[ExecutorKind, Executor], action: str
) -> None:
    task = claimed(APP.prepare(action, b'{"what":"hang"}'))

    outcome = await asyncio.wait_for(attempt(APP, task, executors), WAIT_S)

    assert outcome == TimedOut(after_s=LIMIT_S)


async def test_one_around_a_thread_is_cancelled_with_its_attempt(
    executors: Mapping[ExecutorKind, Executor],
) -> None:
    task = claimed(APP.prepare("in_thread", b'{"what":"hang"}'))
    running = asyncio.create_task(attempt(APP, task, executors))
    await asyncio.sleep(0)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("action", ALL)
async def test_an_exit_is_a_crash(executors: Mapping[ExecutorKind, Executor], action: str) -> None:
    making = attempt(APP, claimed(APP.prepare(action, b'{"what":"exit"}')), executors)

    if action in {"on_loop", "in_thread"}:
        with pytest.raises(ConsumerCrash, match="SystemExit"):
            await making
    else:
        outcome = await making
        assert isinstance(outcome, Crashed)
        assert outcome.error == "SystemExit: 3"


@pytest.mark.parametrize("action", ["in_thread", "in_process"])
async def test_a_def_inside_of_it_may_run_a_loop_of_its_own(
    executors: Mapping[ExecutorKind, Executor], action: str
) -> None:
    for _ in range(2):
        outcome = await attempt(APP, claimed(APP.prepare(action, b'{"what":"loop"}')), executors)
        assert outcome == Succeeded(result='{"outer":"from a loop of its own"}')


async def test_it_is_around_handlers_that_were_registered_before(
    executors: Mapping[ExecutorKind, Executor],
) -> None:
    app = App()

    @app.task
    async def one() -> int:
        return 1

    @app.middleware
    async def add(ctx: Context, call_next: CallNext) -> object:
        result = await call_next()
        assert isinstance(result, int)
        return result + 1

    assert await attempt(app, claimed(app.prepare("one")), executors) == Succeeded(result="2")


def _plain(ctx: Context, call_next: CallNext) -> None: ...


async def _lonely(ctx: Context) -> None: ...


@pytest.mark.parametrize(
    ("middleware", "fault"),
    [
        (_plain, "middleware: must be an `async def`"),
        (None, "middleware: must be an `async def`"),
        (_lonely, "middleware: must take `ctx` and `call_next`"),
    ],
)
def test_what_cannot_be_middleware_is_refused(middleware: Any, fault: str) -> None:
    with pytest.raises(ConfigError) as refused:
        App().middleware(middleware)

    assert [str(each) for each in refused.value.faults] == [fault]
