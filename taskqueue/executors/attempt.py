"""One attempt at a task: find the handler, bind the data, run, and have an outcome."""

from collections.abc import Mapping

from taskqueue.app import App
from taskqueue.channel import Channel
from taskqueue.context import Context
from taskqueue.errors import InvalidTask, UnknownAction
from taskqueue.executors.protocol import Executor
from taskqueue.handler import ExecutorKind
from taskqueue.tasks import Failed, Outcome, Rejected, Task


async def attempt(
    app: App,
    task: Task,
    executors: Mapping[ExecutorKind, Executor],
    channel: Channel | None = None,
) -> Outcome:
    """Run the task's handler once and return what came of it.

    `channel` is its way back into the service while it runs.

    A task whose data does not fit the handler's signature (any more) is rejected: it will not fit
    better the next time. One that this app has no handler for has failed: another release may know
    it, by the time its attempts are spent.

    Raises:
        ConsumerCrash: the handler raised what is not an `Exception`.
        CancelledError: the caller was cancelled, and with it the handler.
    """
    try:
        handler = app.handler(task.action)
        kwargs = handler.bind(task.payload)
    except UnknownAction as error:
        return Failed(error=str(error))
    except InvalidTask as error:
        return Rejected(reason=str(error))
    return await executors[handler.executor].run(handler, Context(task, channel), kwargs)
