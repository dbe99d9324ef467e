"""When a task is tried again, by the rule of its action."""

from taskqueue.api.app import App
from taskqueue.api.retries import USUAL
from taskqueue.errors import UnknownAction
from taskqueue.rules.forecast import SHOWN, NextAttempt, next_attempts
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import Task


def retries_of(app: App, usual: RetryPolicy, task: Task, *, now: float) -> tuple[NextAttempt, ...]:
    """Return when the next attempts at a task are due that waits for a retry; none for any other.

    If its action has a function `wait_s`, only the next one can be told: the others depend on the
    exceptions to come.
    """
    try:
        rule = app.handler(task.action).retries
    except UnknownAction:
        rule = USUAL
    most = SHOWN if rule.wait_s is None else 1
    return next_attempts(task, rule.over(usual), now=now, most=most)
