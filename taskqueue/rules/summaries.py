"""What sums up many tasks: dead ones by their errors, and how many match a filter. Pure."""

import re
from collections.abc import Mapping

from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct

MAX_PATTERN = 200  # characters
NO_REASON = "no reason"

_LOOKED_AT = 1_000  # characters of a reason
# What `policy` writes before the error: how many attempts there were says nothing about it.
_HOW_OFTEN = re.compile(r"(?:the only attempt failed: |all [0-9]+ attempts failed; last: )+")
_DIFFERS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|0x[0-9a-f]+|[0-9]+(?:\.[0-9]+)*", re.IGNORECASE
)


def error_pattern(reason: str | None) -> str:
    """Return what a reason has in common with those of other tasks that failed alike.

    Numbers, addresses and UUIDs in it differ from task to task, and do not count; neither does what
    stands behind its first 200 characters, nor how many attempts have failed. A pattern is its own
    pattern.

    >>> error_pattern("all 5 attempts failed; last: OSError: 502 for order 4711")
    'OSError: … for order …'
    """
    whole = reason or NO_REASON
    head = _HOW_OFTEN.match(whole)
    error = whole[head.end() if head else 0 :] or NO_REASON
    return _DIFFERS.sub("…", error[:_LOOKED_AT])[:MAX_PATTERN]


class DeadGroup(Struct):
    """Dead tasks of one action that ended with the same error.

    Attributes:
        action: of all of them.
        error: the `error_pattern` of their reasons.
        tasks: how many there are.
        queues: theirs, in order.
        latest_at: when the latest one ended.
        example_id: the newest one.
        example: its reason, as it was written.
    """

    action: str
    error: str
    tasks: int
    queues: tuple[str, ...]
    latest_at: float
    example_id: str
    example: str


class Counts(Struct):
    """How many tasks match, by status. Of the statuses in `more` there are more than that."""

    tasks: Mapping[Status, int]
    more: frozenset[Status] = frozenset()


class QueueLimit(Struct):
    """A limit that holds back tasks of a queue.

    Attributes:
        queue: the queue.
        name: the limit.
        running: how many tasks are held under all its keys, of whatever queue.
        waiting: how many tasks of this queue wait for it, up to a thousand.
    """

    queue: str
    name: str
    running: int
    waiting: int
