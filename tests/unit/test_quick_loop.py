"""The loop of the service queues calls as asyncio's own loop does, only sooner."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from taskqueue.process.quick_loop import QuickLoop

IN_TIME_S = 20.0

name: ContextVar[str] = ContextVar("name", default="unset")


@pytest.fixture
def loop() -> Iterator[QuickLoop]:
    with closing(QuickLoop()) as loop:
        yield loop


def attributes(handle: asyncio.Handle) -> dict[str, Any]:
    """Return what a handle holds, but for the context, of which each has a copy."""
    names = set(asyncio.Handle.__slots__) - {"__weakref__", "_context"}
    return {name: getattr(handle, name) for name in names}


def test_a_handle_holds_what_one_of_asyncio_does(loop: QuickLoop) -> None:
    ours = loop.call_soon(print, "a", "b")

    assert attributes(ours) == attributes(asyncio.Handle(print, ("a", "b"), loop))


def test_calls_come_in_their_order_and_a_cancelled_one_does_not(loop: QuickLoop) -> None:
    called: list[str] = []
    for each in ("a", "b", "c"):
        handle = loop.call_soon(called.append, each)
        if each == "b":
            handle.cancel()

    loop.call_soon(loop.stop)
    loop.run_forever()

    assert called == ["a", "c"]


def test_a_call_sees_the_context_of_its_caller_or_the_one_given(loop: QuickLoop) -> None:
    called: list[str] = []
    other = copy_context()
    other.run(name.set, "other")
    token = name.set("caller")

    loop.call_soon(lambda: called.append(name.get()))
    loop.call_soon(lambda: called.append(name.get()), context=other)
    name.reset(token)
    loop.call_soon(loop.stop)
    loop.run_forever()

    assert called == ["caller", "other"]


def test_what_a_call_raises_goes_to_the_handler_of_the_loop(loop: QuickLoop) -> None:
    raised: list[object] = []
    loop.set_exception_handler(lambda _, context: raised.append(context["exception"]))
    error = ValueError("of a callback")

    def fail() -> None:
        raise error

    loop.call_soon(fail)
    loop.call_soon(loop.stop)
    loop.run_forever()

    assert raised == [error]


@pytest.mark.parametrize("debug", [False, True])
def test_a_closed_loop_takes_no_calls(debug: bool) -> None:
    loop = QuickLoop()
    loop.set_debug(debug)
    loop.close()

    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)


def test_debug_mode_checks_what_is_called(loop: QuickLoop) -> None:
    loop.set_debug(True)

    async def coroutine() -> None:
        """Never called."""

    with pytest.raises(TypeError, match="coroutines cannot be used"):
        loop.call_soon(coroutine)


def test_no_call_of_another_thread_is_left_behind(loop: QuickLoop) -> None:
    called: list[int] = []
    done = asyncio.Event()
    count = 1_000

    def call(number: int) -> None:
        called.append(number)
        if len(called) == 2 * count:
            done.set()

    def post(first: int) -> None:
        for number in range(first, first + count):
            loop.call_soon_threadsafe(call, number)

    async def posted() -> None:
        await asyncio.gather(asyncio.to_thread(post, 0), asyncio.to_thread(post, count))
        async with asyncio.timeout(IN_TIME_S):
            await done.wait()

    loop.run_until_complete(posted())

    assert sorted(called) == [*range(2 * count)]


def test_a_loop_that_sleeps_is_woken_by_each_call_after_the_last_has_come(loop: QuickLoop) -> None:
    async def passed_on() -> None:
        for _ in range(200):
            came = asyncio.Event()
            thread = threading.Thread(target=loop.call_soon_threadsafe, args=(came.set,))
            thread.start()
            async with asyncio.timeout(IN_TIME_S):
                await came.wait()
            thread.join()

    loop.run_until_complete(passed_on())
