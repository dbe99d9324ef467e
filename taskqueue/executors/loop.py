"""Runs `async def` handlers on the loop of their consumer."""

import asyncio
import contextlib
from collections.abc import Coroutine, Generator, Mapping
from contextvars import copy_context
from typing import Any

from taskqueue.context import Context
from taskqueue.executors.outcome import outcome_of
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.handler import Handler
from taskqueue.tasks import Outcome

# For so long handlers that never wait may follow each other before the loop gets its turn.
TURN_S = 0.001


class LoopExecutor:
    """Runs each handler in the asyncio task of its caller, with context variables of its own.

    So one that never waits costs no turn of the loop, unless many such follow each other. A handler
    past its `timeout_s` is cancelled. One that blocks stops every handler of this loop, and one
    that swallows its cancellation runs on: only the caller's own limit ends the wait. One that
    cancels its own task harms only itself.
    """

    def __init__(self) -> None:
        self._turn_ends = 0.0

    async def run(self, handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> Outcome:
        """Await the handler; see `Executor.run`."""
        running = _Apart(_call(handler, context, kwargs))
        outcome = await outcome_of(running, context, timeout_s=handler.timeout_s)
        if asyncio.get_running_loop().time() >= self._turn_ends:
            await self._let_others_run()
        return outcome

    async def _let_others_run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # too late for a handler that has ended
            await asyncio.sleep(0)
        self._turn_ends = asyncio.get_running_loop().time() + TURN_S

    def close(self) -> None:
        """Do nothing: no handler waits here, and those that run belong to whoever awaits them."""


async def _call(handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> object:
    try:
        return await handler.function(context, **kwargs)
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as cause:  # it would take the whole loop along
        raise ConsumerCrash(cause) from cause


class _Apart:
    """Awaits a coroutine as if it had a task of its own.

    It runs in a copy of the current context, and the cancellations that it asks for itself end with
    it. Python 3.12 has eager tasks for this; there they would only save this class.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, object]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, object]:
        """Run it: what it waits for, whoever awaits this waits for."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine is always run by a task
        coroutine, run = self._coroutine, copy_context().run
        own_cancels = -task.cancelling()
        resume, answer = coroutine.send, None
        try:
            while True:
                try:
                    waits_for = run(resume, answer)
                finally:
                    own_cancels += task.cancelling()
                try:
                    resume, answer = coroutine.send, (yield waits_for)
                except GeneratorExit:
                    run(coroutine.close)
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is the handler's
                    resume, answer = coroutine.throw, error
                own_cancels -= task.cancelling()
        except StopIteration as ended:
            return ended.value
        finally:
            if own_cancels > 0:
                yield from _forget_cancels(task, own_cancels)


def _forget_cancels(task: "asyncio.Task[Any]", cancels: int) -> Generator[None, None, None]:
    """Undo cancellations that a task asked for itself, whether they have come or not."""
    for _ in range(cancels):
        task.uncancel()
    with contextlib.suppress(asyncio.CancelledError):
        yield
