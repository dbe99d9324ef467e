"""Unique keys: who came second."""

from collections.abc import Sequence

from taskqueue.errors import KeyConflict
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask


def refuse_conflicts(tasks: Sequence[NewTask], answers: Sequence[Accepted]) -> None:
    """Raise if the key of one of these tasks belongs to another.

    Raises:
        KeyConflict: with all such keys, and whose they are.
    """
    conflicts = {
        str(task.unique_key): answer.id
        for task, answer in zip(tasks, answers, strict=True)
        if answer.acceptance is Acceptance.CONFLICT
    }
    if conflicts:
        raise KeyConflict(conflicts)
