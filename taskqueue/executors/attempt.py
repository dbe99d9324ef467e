"""One attempt at a task: find the handler, bind the data, run, and have an outcome."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from taskqueue.api.app import App
from taskqueue.api.attempt_handle import AttemptHandle
from taskqueue.api.context import NO_RESOURCES, Context
from taskqueue.api.handler import ExecutorKind, Handler
from taskqueue.errors import InvalidTask, UnknownAction
from taskqueue.executors.eager import outside_of_tasks
from taskqueue.executors.outcome import shortened
from taskqueue.executors.protocol import Executor
from taskqueue.rules.encoding import MAX_BYTES
from taskqueue.rules.tasks import Failed, Outcome, Rejected, Task

Kwargs: TypeAlias = dict[str, Any]


def _as_it_is(bind: Callable[[], Kwargs]) -> Kwargs:
    return bind()


class Call(NamedTuple):
    """A handler, and what it is called with."""

    handler: Handler
    context: Context
    kwargs: Mapping[str, Any]


async def attempt(
    app: App,
    task: Task,
    executors: Mapping[ExecutorKind, Executor],
    handle: AttemptHandle | None = None,
    *,
    max_result_bytes: int = MAX_BYTES,
    timeout_s: float = 0.0,
    resources: object = NO_RESOURCES,
) -> Outcome:
    """Run the task's handler once and return what came of it.

    `handle` is its way back into the service while it runs. A larger result is refused.
    `timeout_s` is the limit of actions without one of their own; 0 is none. A process has
    `resources` of its own. It may cost no turn of the loop: see `turns`.

    Raises:
        ConsumerCrash: the handler raised what is not an `Exception`.
        CancelledError: the caller was cancelled, and with it the handler.
    """
    call = call_of(
        app,
        task,
        handle,
        max_result_bytes=max_result_bytes,
        timeout_s=timeout_s,
        resources=resources,
        apart=outside_of_tasks,
    )
    if not isinstance(call, Call):
        return call
    return await executors[call.handler.executor].run(call.handler, call.context, call.kwargs)


def call_of(
    app: App,
    task: Task,
    handle: AttemptHandle | None,
    *,
    max_result_bytes: int = MAX_BYTES,
    timeout_s: float = 0.0,
    resources: object = NO_RESOURCES,
    apart: Callable[[Callable[[], Kwargs]], Kwargs] = _as_it_is,
) -> Call | Failed | Rejected:
    """Return the call that the task stands for, or why there is none.

    Data whose types have code of the user's is bound inside `apart`.

    A task whose data does not fit the handler's signature (any more) is rejected: it will not fit
    better the next time. One that this app has no handler for has failed: another release may know
    it, by the time its attempts are spent.
    """
    try:
        handler = app.handler(task.action)
        if handler.signature.is_built_in:
            kwargs = handler.bind(task.payload)
        else:
            kwargs = apart(partial(handler.bind, task.payload))
    except UnknownAction as error:
        return Failed(error=shortened(str(error)))
    except InvalidTask as error:
        return Rejected(reason=shortened(str(error)))
    context: Context = Context(
        task,
        handle,
        max_result_bytes=max_result_bytes,
        limit_s=handler.limit_s(timeout_s),
        resources=resources,
        tracing=app.tracing,
    )
    return Call(handler, context, kwargs)
