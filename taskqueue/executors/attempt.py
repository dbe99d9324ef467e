"""One attempt at a task: find the handler, bind the data, run, and have an outcome."""

from collections.abc import Mapping

from taskqueue.app import App
from taskqueue.context import Context
from taskqueue.errors import InvalidTask, UnknownAction
from taskqueue.executors.protocol import Executor
from taskqueue.handler import ExecutorKind
from taskqueue.tasks import Outcome, Rejected, Task


async def attempt(app: App, task: Task, executors: Mapping[ExecutorKind, Executor]) -> Outcome:
    """Run the task's handler once and return what came of it.

    A task that this app has no handler for, or whose data does not fit its signature (any more), is
    rejected: it will not fit better the next time.

    Raises:
        ConsumerCrash: the handler raised what is not an `Exception`.
        CancelledError: the caller was cancelled, and with it the handler.
    """
    try:
        handler = app.handler(task.action)
        kwargs = handler.bind(task.payload)
    except (UnknownAction, InvalidTask) as error:
        return Rejected(reason=str(error))
    return await executors[handler.executor].run(handler, Context(task), kwargs)
