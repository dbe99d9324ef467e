"""The task that a path names, with its history."""

from taskqueue.commands import Ask, ExplainWaiting, ForecastRetries, GetTask
from taskqueue.http.tasks.answers import TaskDetail
from taskqueue.http.tasks.ids import no_task
from taskqueue.rules.tasks import TaskHistory


async def history_of(ask: Ask, task_id: str) -> TaskHistory:
    """Return a task with its history.

    Raises:
        Problem: 404, there is no such task.
    """
    history = await ask(GetTask(task_id=task_id))
    if history is None:
        raise no_task()
    return history


async def detail_of(ask: Ask, history: TaskHistory) -> TaskDetail:
    """Return a task as one call shows it, with why it does not run and when it is tried again."""
    waiting_for = await ask(
        ExplainWaiting(task=history.task, flow=history.flow, is_held=history.is_held)
    )
    next_attempts = await ask(ForecastRetries(task=history.task))
    return TaskDetail.of_history(history, waiting_for, next_attempts)
