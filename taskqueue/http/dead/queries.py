"""The query of the groups of dead tasks."""

from taskqueue.http.queries import Query, whole_number
from taskqueue.http.tasks.filters import FILTERS
from taskqueue.structs import Struct

MAX_GROUPS = 1_000  # in one answer
DEFAULT_GROUPS = 100


class GroupsRequest(Struct):
    """Which dead tasks are grouped, and how many groups are shown."""

    limit: int = DEFAULT_GROUPS
    action: str | None = None
    queue: str | None = None


GROUPS = Query(
    GroupsRequest,
    {
        "limit": whole_number(1, MAX_GROUPS),
        "action": FILTERS["action"],
        "queue": FILTERS["queue"],
    },
)
