"""Logs which follow-up tasks were not accepted: no caller waits for that answer."""

from collections.abc import Iterable

from taskqueue.events import events
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask


def tell_refused(answered: Iterable[tuple[NewTask, Accepted]]) -> None:
    """Log each task whose unique key belongs to a different request."""
    for task, answer in answered:
        if answer.acceptance is Acceptance.CONFLICT:
            events.warning(
                "follow_up_refused",
                action=task.action,
                unique_key=task.unique_key,
                held_by=answer.id,
            )
