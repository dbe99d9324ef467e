"""The ids of tasks, as paths and queries have them."""

from http import HTTPStatus
from uuid import UUID

from taskqueue.http.problems import Problem


def task_id_of(text: str) -> str | None:
    """Return a task's id as it is stored, None if no task can have it.

    >>> task_id_of("0197A4C8-0000-7000-8000-000000000000")
    '0197a4c8-0000-7000-8000-000000000000'
    """
    try:
        canonical = str(UUID(text))
    except ValueError:
        return None
    return canonical if canonical == text.lower() else None


def require_task_id(text: str) -> str:
    """Return the id in a path, as it is stored.

    Raises:
        Problem: 404, no task can have it.
    """
    task_id = task_id_of(text)
    if task_id is None:
        raise no_task()
    return task_id


def no_task() -> Problem:
    """Return the answer to a call about a task that does not exist."""
    return Problem(HTTPStatus.NOT_FOUND, "task not found")
