"""The requests that sum up tasks: dead ones by error, and how many match. No I/O here."""

from collections.abc import Sequence

import msgspec

from taskqueue.client.call import Call
from taskqueue.client.calls import joined, query_of
from taskqueue.client.verbs import Filters
from taskqueue.client.views import Counts, DeadGroup


class _Groups(msgspec.Struct):
    groups: list[DeadGroup]


_groups = msgspec.json.Decoder(_Groups).decode
_counts = msgspec.json.Decoder(Counts).decode


def dead_groups(action: str | None, queue: str | None, limit: int) -> Call[Sequence[DeadGroup]]:
    """Ask for dead tasks by action and error."""
    return Call(
        method="GET",
        path=f"/dead/groups{query_of(action=action, queue=queue, limit=limit)}",
        read=lambda body: _groups(body).groups,
    )


def count(filters: Filters) -> Call[Counts]:
    """Ask how many tasks match, by status."""
    return Call(method="GET", path=f"/stats{query_of(**joined(filters))}", read=_counts)
