"""The stack of a handler: the calls of the user, whatever library they have called."""

import asyncio
import inspect
import json
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from linecache import getline
from types import FrameType
from typing import Any, Self

import pytest

from taskqueue import App, Context
from taskqueue.api.handler import ExecutorKind
from taskqueue.executors.attempt import attempt
from taskqueue.executors.lines import (
    MOST_CALLS,
    MOST_TEXT,
    stack_of_coroutine,
    stack_of_thread,
)
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.protocol import Executor
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.rules.running import NO_STACK, HandlerLine, HandlerStack
from taskqueue.testing.claims import claimed

WAIT_S = 20
LIBRARY = "/lib/python3/site-packages/jobs/work.py"


class Stop:
    """Where a handler blocks until the test has looked."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.passed = threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.passed.wait(WAIT_S)


stop = Stop()


# --- handlers -------------------------------------------------------------------------------------


async def helper() -> None:
    await asyncio.sleep(WAIT_S)  # it is here


async def waits_in_a_helper(ctx: Context) -> None:
    await helper()


class Pause:
    def __await__(self) -> Generator[Any, None, None]:
        yield from asyncio.sleep(WAIT_S).__await__()  # it is here


async def waits_for_an_object(ctx: Context) -> None:
    await Pause()


def block(*_: object) -> int:
    stop.reached.set()
    stop.passed.wait(WAIT_S)  # it is here
    return 1


async def blocks_at_once(ctx: Context) -> None:
    block()


async def blocks_later(ctx: Context) -> None:
    await asyncio.sleep(0)
    block()


def blocks(ctx: Context) -> None:
    block()


def blocks_below_a_library(ctx: Context) -> None:
    json.loads("1", parse_int=block)


def recurses(ctx: Context, left: int = 700) -> None:
    recurses(ctx, left - 1) if left else block()


def compiled(source: str) -> Callable[..., Any]:
    """A handler of an installed library."""
    names: dict[str, Any] = {"wait": stop.passed.wait, "Context": Context}
    exec(compile(source, LIBRARY, "exec"), names)
    return names["work"]  # type: ignore[no-any-return]


library = compiled("def work(ctx: Context) -> None:\n    wait()\n")
async_library = compiled("async def work(ctx: Context) -> None:\n    wait()\n")


# --- the tests ------------------------------------------------------------------------------------


class Running:
    """A handler that runs, with its loop on a thread of its own."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        app = App()
        app.task("work")(handler)
        self._task = claimed(app.prepare("work"))
        self._executor: Executor
        is_async = inspect.iscoroutinefunction(handler)
        self._executor = LoopExecutor() if is_async else ThreadExecutor(1)
        executors = {ExecutorKind.of(handler): self._executor}
        self._work = partial(attempt, app, self._task, executors)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        stop.reached.clear()
        stop.passed.clear()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        stop.passed.set()
        self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join()

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._attempt())
        self._executor.close()
        self._loop.close()

    async def _attempt(self) -> None:
        self._running = asyncio.current_task()
        await self._work()

    def _cancel(self) -> None:
        if self._running is not None:
            self._running.cancel()

    def stack(self) -> HandlerStack:
        found: list[HandlerStack] = []
        self._executor.locate(self._task.id, sys._current_frames(), found.append)
        [stack] = found
        return stack

    def line(self) -> HandlerLine | None:
        return self.stack().line

    def line_once(self, is_there: Callable[[HandlerLine], bool]) -> HandlerLine | None:
        """Return its line, once it is the one that is meant, or after a while."""
        deadline = time.monotonic() + WAIT_S
        while (line := self.line()) is None or not is_there(line):
            if time.monotonic() > deadline:
                break
            time.sleep(0.001)
        return line

    def stack_once(self, is_there: Callable[[HandlerLine], bool]) -> HandlerStack:
        """Return its stack, once its line is the one that is meant."""
        self.line_once(is_there)
        return self.stack()


def is_marked(line: HandlerLine) -> bool:
    return "# it is here" in getline(line.file, line.number)


@pytest.mark.parametrize(
    ("handler", "function"),
    [
        (waits_in_a_helper, "helper"),
        (waits_for_an_object, "__await__"),
        (blocks_at_once, "block"),
        (blocks_later, "block"),
        (blocks, "block"),
        (blocks_below_a_library, "block"),
        (recurses, "block"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_innermost_line_of_the_user_is_found(
    handler: Callable[..., Any], function: str
) -> None:
    with Running(handler) as running:
        line = running.line_once(is_marked)

    assert line is not None
    assert (line.file, line.function) == (__file__, function)
    assert is_marked(line)


@pytest.mark.parametrize(
    ("handler", "functions"),
    [
        (waits_in_a_helper, ["waits_in_a_helper", "helper"]),
        (waits_for_an_object, ["waits_for_an_object", "__await__"]),
        (blocks_at_once, ["blocks_at_once", "block"]),
        (blocks_later, ["blocks_later", "block"]),
        (blocks, ["blocks", "block"]),
        (blocks_below_a_library, ["blocks_below_a_library", "block"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_calls_of_the_user_are_told_from_the_handler_inwards(
    handler: Callable[..., Any], functions: list[str]
) -> None:
    with Running(handler) as running:
        stack = running.stack_once(is_marked)

    assert [call.function for call in stack.calls] == functions
    assert {call.file for call in stack.calls} == {__file__}
    assert not stack.truncated


def test_of_a_deep_stack_the_innermost_calls_are_told() -> None:
    with Running(recurses) as running:
        stack = running.stack_once(is_marked)

    functions = [call.function for call in stack.calls]
    assert functions == ["recurses"] * (MOST_CALLS - 1) + ["block"]
    assert stack.truncated


@pytest.mark.parametrize("handler", [library, async_library], ids=["def", "async def"])
def test_a_handler_that_is_a_librarys_is_found_itself(handler: Callable[..., Any]) -> None:
    with Running(handler) as running:
        line = running.line_once(lambda line: line.number == 2)

    assert line == HandlerLine(file=LIBRARY, number=2, function="work")


def test_what_does_not_run_is_at_no_line() -> None:
    with Running(blocks) as running:
        assert stop.reached.wait(WAIT_S)
    loop_stack = stack_of_coroutine(None, sys._getframe())

    assert (running.stack(), loop_stack) == (NO_STACK, NO_STACK)


def test_names_that_user_code_has_made_are_cut_and_never_run() -> None:
    class Name(str):
        __slots__ = ()

        def startswith(self, *_: object) -> bool:  # type: ignore[override]
            raise AssertionError("user code has run")

        __str__ = __getitem__ = startswith

    def handler(ctx: Context) -> None:
        stop.wait()

    file, name = "/srv/" + "f" * 500, "n" * 500
    handler.__code__ = handler.__code__.replace(co_filename=Name(file), co_name=Name(name))
    with Running(handler):
        assert stop.reached.wait(WAIT_S)
        stacks = [outward(top) for top in sys._current_frames().values()]
        [own] = [each for stack in stacks for each in stack if each.f_code is handler.__code__]
        line = stack_of_thread(own).line  # `stop.wait`, which it has called, is in this file

    assert line is not None
    assert (line.file, line.function) == ("f" * MOST_TEXT, "n" * MOST_TEXT)
    assert {type(line.file), type(line.function)} == {str}


def outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
