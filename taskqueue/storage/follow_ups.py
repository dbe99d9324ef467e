"""Logs which follow-up tasks were not accepted: no caller waits for that answer any more."""

from collections.abc import Iterable

from taskqueue.events import events
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask


def tell_refused(answered: Iterable[tuple[NewTask, Accepted]]) -> None:
    """Log each task whose unique key belongs to one that was asked for otherwise."""
    for task, answer in answered:
        if answer.acceptance is Acceptance.CONFLICT:
            events.warning(
                "follow_up_refused",
                action=task.action,
                unique_key=task.unique_key,
                held_by=answer.id,
            )
