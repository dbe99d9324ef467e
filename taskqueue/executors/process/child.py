"""A worker process: makes one attempt after the other until its pipe is closed."""

import contextvars
import faulthandler
import inspect
import os
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from typing import cast

from taskqueue.api.app import App
from taskqueue.api.handler import Handler
from taskqueue.children.blocking_pipe import BlockingPipe
from taskqueue.children.messages import decoder, framed
from taskqueue.errors import ResourcesNotOpened
from taskqueue.executors.attempt import Call, call_of
from taskqueue.executors.calling import called
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.middleware import outside_of_the_loop
from taskqueue.executors.outcome import (
    one_line,
    outcome_of_error,
    outcome_of_value,
    shown_traceback,
)
from taskqueue.executors.process.attempt_handle import WorkerAttemptHandle
from taskqueue.executors.process.imports import Imports
from taskqueue.executors.process.kept_loop import KeptLoop
from taskqueue.executors.process.line_reporter import LineReporter
from taskqueue.executors.process.memory import Memory
from taskqueue.executors.process.messages import Ready, Run, ToWorker
from taskqueue.executors.process.signals import Signals
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.executors.resources import Resources
from taskqueue.executors.thread import end_of
from taskqueue.process import origin
from taskqueue.process.forks import close_in_children
from taskqueue.process.hidden_tasks import hidden_task
from taskqueue.rules.tasks import Crashed, Outcome

_STDERR = 2


def work(app: App, end: socket.socket, lines: socket.socket) -> None:
    """Make the attempts that come through the pipe; return when it is closed.

    On `lines` the fork server asks for the line of the handler.
    """
    # A segfault leaves its stack on standard error; `sys.stderr` may be of the app's making.
    faulthandler.enable(_STDERR)
    close_in_children(end)  # what a handler forks cannot speak for it
    # The service may go while there is something to tell it.
    with KeptLoop() as loop, suppress(ConnectionError):
        pipe: BlockingPipe[ToWorker] = BlockingPipe(end, decoder(ToWorker))
        resources = Resources(app, pid=os.getpid())
        try:
            loop.run(resources.open())
        except ResourcesNotOpened as error:
            pipe.send(framed(Ready(failure=str(error))))
            return
        try:
            pipe.send(framed(Ready()))
            _work(_Attempts(app, pipe, resources), loop, lines)
        finally:
            loop.run(resources.close())


def _work(attempts: "_Attempts", loop: KeptLoop, lines: socket.socket) -> None:
    executor, signals = LoopExecutor(), Signals()
    LineReporter(lines, lambda: attempts.task_id, executor)
    call = attempts.first()
    while call is not None:
        if _is_async(call):
            call = loop.run(_made_on_the_loop(call, attempts, executor, signals))
        else:
            call = attempts.next(_made(call, signals))


class _Attempts:
    """The attempts that the service wants to be made, one at a time."""

    def __init__(self, app: App, pipe: BlockingPipe[ToWorker], resources: Resources) -> None:
        self._app = app
        self._pipe = pipe
        self._resources = resources
        self._memory = Memory()
        self._imports = Imports()
        self.task_id: str | None = None
        """The task whose handler runs."""

    def first(self) -> Call | None:
        """Wait for an attempt for which there is a handler; None: there will be none."""
        while not self._resources.are_lost and isinstance(order := self._next_order(), Run):
            self._handle = WorkerAttemptHandle(self._pipe)
            call = call_of(
                self._app,
                order.task,
                self._handle,
                max_result_bytes=order.max_result_bytes,
                resources=self._resources.value,
            )
            if isinstance(call, Call):
                self.task_id = order.task.id
                return call
            self._conclude(call)
        return None

    def _next_order(self) -> ToWorker | None:
        # Libraries that limit the time of a call raise an exception in its thread from outside. One
        # that comes too late for its handler must not cost the next attempt.
        while True:
            try:
                self._pipe.wait()
                break
            except (KeyboardInterrupt, SystemExit):  # of a signal to this process
                raise
            except BaseException:  # noqa: BLE001, S112 - see above
                continue
        return self._pipe.receive()

    def next(self, outcome: Outcome) -> Call | None:
        """Say what came of the attempt, and wait for another."""
        self.task_id = None
        self._conclude(outcome)
        return self.first()

    def _conclude(self, outcome: Outcome) -> None:
        self._imports.restore()
        origin.keep_streams()
        _flush()
        self._handle.done(outcome, self._memory.mb(), is_last=self._resources.are_lost)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # disk full, reader gone; replaced or closed by user code
            stream.flush()


def _made(call: Call, signals: Signals) -> Outcome:
    """Call a `def` with no loop running, so that it may begin one, as it may in a thread."""
    value, error = end_of(partial(contextvars.copy_context().run, _called, call, signals))
    if error is None:
        return outcome_of_value(value, call.context, call.handler)
    # Not by `isinstance`, which asks an object for its `__class__`: user code may answer.
    if issubclass(type(error), ConsumerCrash):
        return _crashed(cast(ConsumerCrash, error))
    return outcome_of_error(error, call.context, call.handler)


def _called(call: Call, signals: Signals) -> object:
    try:
        return called(call.handler, call.context, call.kwargs)
    finally:
        signals.restore()


async def _made_on_the_loop(
    call: Call | None, attempts: _Attempts, executor: LoopExecutor, signals: Signals
) -> Call | None:
    """Make this attempt and those that follow; return the first whose handler is no `async def`.

    They share one run of the loop, because to begin it takes as long as a short attempt does. It
    does not turn while we wait for the next one.
    """
    while call is not None and _is_async(call):
        call = attempts.next(await hidden_task(_awaited(call, executor, signals)))
    return call


async def _awaited(call: Call, executor: LoopExecutor, signals: Signals) -> Outcome:
    handler = _awaitable(call.handler)
    call.context.limit_s = None  # the limit is the service's to keep
    try:
        outcome = await executor.run(handler, call.context, call.kwargs)
    except ConsumerCrash as crash:
        outcome = _crashed(crash)
    try:
        signals.restore()
    except Exception as error:  # noqa: BLE001 - from a signal handler that the task has left
        return outcome_of_error(error, call.context, handler)
    return outcome


def _crashed(crash: ConsumerCrash) -> Crashed:
    cause = crash if crash.cause is None else crash.cause
    return Crashed(error=one_line(cause), traceback=shown_traceback(cause))


def _is_async(call: Call) -> bool:
    return bool(call.handler.middleware) or _is_coroutine_function(call.handler.function)


def _awaitable(handler: Handler) -> Handler:
    """Return a handler that can be awaited: a `def` inside of middleware is called by a loop."""
    if _is_coroutine_function(handler.function):
        return handler

    async def function(*args: object, **kwargs: object) -> object:
        return outside_of_the_loop(partial(handler.function, *args, **kwargs))

    return replace(handler, function=function)


_is_coroutine_function = cache(inspect.iscoroutinefunction)
