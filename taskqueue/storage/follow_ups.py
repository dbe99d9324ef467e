"""Logs which follow-up tasks were not accepted: no caller waits for that answer."""

from collections.abc import Iterable

from taskqueue.events import events
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask
from taskqueue.rules.uniqueness import shown_key


def tell_refused(answered: Iterable[tuple[NewTask, Accepted]]) -> None:
    """Log each task that was refused because of its unique key or its group."""
    for task, answer in answered:
        if answer.is_refused:
            events.warning(
                "follow_up_refused",
                action=task.action,
                unique_key=shown_key(str(task.unique_key)),
                held_by=answer.id,
            )
        elif answer.acceptance is Acceptance.CLOSED:
            events.warning("follow_up_refused", action=task.action, group=task.group)
