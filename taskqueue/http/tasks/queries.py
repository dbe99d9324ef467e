"""The queries of calls about tasks."""

from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta

from taskqueue.http.queries import Parameter, Query, whole_number
from taskqueue.http.tasks.answers import TaskView
from taskqueue.http.tasks.filters import FILTERS, STATUS, FilterRequest, number_of
from taskqueue.http.tasks.heads import PAYLOAD_HEAD
from taskqueue.http.tasks.ids import task_id_of
from taskqueue.rules.filters import Sort
from taskqueue.structs import Struct

MAX_PAGE = 100  # tasks in one answer
MAX_WAIT_S = 60  # proxies commonly give up then
MAX_LOG_BYTES = 256 << 10  # of logs in one answer, or little more
MAX_COUNTED = 100_000  # tasks of one status that match


class WaitRequest(Struct):
    """How long to wait for the end of a task, in seconds."""

    wait_s: float = 0.0


class LogsRequest(Struct):
    """From where on a page of logs shows attempts."""

    cursor: int | None = None


class PageRequest(FilterRequest):
    """Which tasks a page shows, and which of their fields."""

    limit: int = MAX_PAGE
    sort: Sort = Sort.NEWEST
    cursor: str | None = None
    fields: tuple[str, ...] | None = None

    @property
    def has_heads(self) -> bool:
        """Whether it shows what payloads begin with."""
        return self.fields is not None and PAYLOAD_HEAD in self.fields

    @property
    def is_brief(self) -> bool:
        """Whether it leaves out every field that may be large."""
        return self.fields is not None and _LARGE.isdisjoint(self.fields)


def _wait_of(text: str) -> float | None:
    wait_s = number_of(text)
    return wait_s if wait_s is not None and 0 <= wait_s <= MAX_WAIT_S else None


def _fields_of(text: str) -> tuple[str, ...] | None:
    names = tuple(dict.fromkeys(text.split(",")))
    return names if set(names) <= _FIELDS else None


_FIELDS = dict.fromkeys(TaskView.__struct_fields__).keys()
_Field: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": [*_FIELDS]})]
_LARGE = frozenset({"payload", "result", "progress"})
WAIT = Query(
    WaitRequest,
    {
        "wait_s": Parameter(
            _wait_of,
            f"a number of seconds from 0 to {MAX_WAIT_S}",
            Annotated[float, Meta(ge=0, le=MAX_WAIT_S)],
        )
    },
)

LOGS = Query(LogsRequest, {"cursor": whole_number(0, 2**63 - 1)})

CURSOR = Parameter(task_id_of, "what another answer had as `next`", UUID)

STATS = Query(FilterRequest, FILTERS)

PAGE = Query(
    PageRequest,
    {
        "status": STATUS,
        "limit": whole_number(1, MAX_PAGE),
        "cursor": CURSOR,
        "sort": Parameter({str(s): s for s in Sort}.get, f"one of {', '.join(Sort)}", Sort),
        "fields": Parameter(
            _fields_of,
            f"some of {', '.join(_FIELDS)}, separated by commas",
            Annotated[list[_Field], Meta(min_length=1)],
        ),
        **FILTERS,
    },
)
