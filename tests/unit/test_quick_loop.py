"""The loop of the service queues calls as asyncio's own loop does, only sooner."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from taskqueue.process.quick_loop import QuickLoop

name: ContextVar[str] = ContextVar("name", default="nobody")


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
