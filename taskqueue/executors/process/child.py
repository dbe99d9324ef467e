"""A worker process: makes one attempt after the other until its pipe is closed."""

import asyncio
import contextvars
import faulthandler
import inspect
import os
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial

from taskqueue.app import App
from taskqueue.channel import Channel
from taskqueue.executors.attempt import Call, call_of
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.outcome import (
    one_line,
    outcome_of_error,
    outcome_of_value,
    shown_traceback,
)
from taskqueue.executors.process import kernel
from taskqueue.executors.process.channel import WorkerChannel
from taskqueue.executors.process.frames import BlockingPipe
from taskqueue.executors.process.messages import Run, ToWorker
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.executors.thread import end_of
from taskqueue.tasks import Crashed, Outcome, Task


def work(app: App, end: socket.socket) -> None:
    """Make the attempts that come through the pipe; return when it is closed."""
    faulthandler.enable()  # a segfault leaves its stack on standard error
    worker = os.getpid()
    pipe: BlockingPipe[ToWorker] = BlockingPipe(end, ToWorker)
    # A service that has gone closes the pipe, or resets it if something was on its way.
    with asyncio.Runner() as runner, suppress(ConnectionError):
        while isinstance(order := pipe.receive(), Run):
            channel = WorkerChannel(pipe)
            outcome = _attempt(app, order.task, channel, runner.get_loop())
            if os.getpid() != worker:
                return  # a handler forked, and this is the child that came back from it
            _flush()
            channel.done(outcome, kernel.memory_mb())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # disk full, reader gone; closed by the handler
            stream.flush()


def _attempt(app: App, task: Task, channel: Channel, loop: asyncio.AbstractEventLoop) -> Outcome:
    call = call_of(app, task, channel)
    if not isinstance(call, Call):
        return call
    try:
        return _called(call, loop)
    except ConsumerCrash as crash:
        cause = crash.cause or crash
        return Crashed(error=one_line(cause), traceback=shown_traceback(cause))


def _called(call: Call, loop: asyncio.AbstractEventLoop) -> Outcome:
    """Call the handler: an `async def` on a loop that is kept, a `def` with none running.

    A `def` may begin a loop of its own, as it may in a thread.
    """
    if inspect.iscoroutinefunction(call.handler.function):
        unlimited = replace(call.handler, timeout_s=None)  # the limit is the service's to keep
        # Not by the runner, which sets a signal handler before each and takes it back after.
        return loop.run_until_complete(LoopExecutor().run(unlimited, call.context, call.kwargs))
    function = partial(call.handler.function, call.context, **call.kwargs)
    value, error = end_of(partial(contextvars.copy_context().run, function))
    if isinstance(error, ConsumerCrash):
        raise error
    return outcome_of_value(value, call.context) if error is None else outcome_of_error(error)
