"""Which tasks somebody wants to see."""

from uuid import UUID

from multidict import MultiMapping

from taskqueue.http.queries import Parameters, read_query
from taskqueue.http.tasks.answers import TaskView
from taskqueue.rules.options import MAX_NAME, is_name
from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct

MAX_PAGE = 100  # tasks in one answer
MAX_PAGE_BYTES = 4 << 20  # of their payloads, results and progress, unless one alone has more


class PageRequest(Struct):
    """Which tasks somebody wants to see."""

    status: Status | None = None
    action: str | None = None
    queue: str | None = None
    limit: int = MAX_PAGE
    cursor: str | None = None
    fields: tuple[str, ...] | None = None

    @property
    def is_brief(self) -> bool:
        """Whether nothing is asked for that may be large."""
        return self.fields is not None and _LARGE.isdisjoint(self.fields)


def read_page(query: MultiMapping[str]) -> PageRequest:
    """Return what the query of a list asks for.

    Raises:
        Problem: 422, with every parameter that is wrong.
    """
    return PageRequest(**read_query(query, _PAGE))


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


def _limit_of(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3):
        return None
    limit = int(text)
    return limit if 1 <= limit <= MAX_PAGE else None


def _name_of(text: str) -> str | None:
    return text if is_name(text) else None


def _fields_of(text: str) -> tuple[str, ...] | None:
    names = tuple(dict.fromkeys(text.split(",")))
    return names if set(names) <= _FIELDS else None


_FIELDS = dict.fromkeys(TaskView.__struct_fields__).keys()
_LARGE = frozenset({"payload", "result", "progress"})
_NAME = (_name_of, f"a name of 1 to {MAX_NAME} printable characters")
_PAGE: Parameters = {
    "status": ({str(status): status for status in Status}.get, f"one of {', '.join(Status)}"),
    "limit": (_limit_of, f"a whole number from 1 to {MAX_PAGE}"),
    "cursor": (task_id_of, "what another answer had as `next`"),
    "fields": (_fields_of, f"some of {', '.join(_FIELDS)}, separated by commas"),
    "action": _NAME,
    "queue": _NAME,
}
