"""Calls a handler inside the app's middleware, where a loop runs."""

import asyncio
from asyncio import _enter_task, _leave_task  # for task implementations; see "Extending asyncio"
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from taskqueue.api.context import Context
from taskqueue.api.handler import Handler
from taskqueue.api.middleware import CallNext
from taskqueue.executors.forked import end_if_forked
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.process.forks import generation

T = TypeVar("T")


async def inside_middleware(handler: Handler, context: Context, call: CallNext) -> object:
    """Await `call` inside the middleware of its app; the first one is the outermost.

    Raises:
        ConsumerCrash: one of them raised what would take the whole loop along.
    """
    for middleware in reversed(handler.middleware):
        call = partial(middleware, context, call)
    begins_in = generation()
    try:
        try:
            return await call()
        finally:
            end_if_forked(begins_in)
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as cause:
        raise ConsumerCrash(cause) from cause


def outside_of_the_loop(call: Callable[[], T]) -> T:
    """Call what may run a loop of its own, and return what it returns."""
    loop = asyncio.get_running_loop()
    caller = asyncio.current_task(loop)
    assert caller is not None  # noqa: S101 - a coroutine is always run by a task
    _leave_task(loop, caller)
    asyncio._set_running_loop(None)  # noqa: SLF001 - there is no public way
    try:
        return call()
    finally:
        asyncio._set_running_loop(loop)  # noqa: SLF001 - likewise
        _enter_task(loop, caller)
