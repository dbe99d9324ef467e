# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of `find` and `search`: where the ids of a page come from, in the order of the page.

    nothing        along the ids
    running        all that is held, which is as short as the slots and buffers are
    a group        its members of each status
    an error       dead tasks of an action with that error
    a parent       its children along their ids
    anything else  the first of each kind, merged

A *kind* is what has status, action and queue in common; the index `by_kind` has the tasks of each
in the order of their ids. What was not asked for is stepped through from value to value, so that
kinds are found without walking their tasks.

Every text has the same parameters, so that they can be joined: `$1` the id to go on behind, `$2`
how many, `$3` now, `$4` the action, `$5` the queue, `$6` the group, `$7` statuses, `$8` the
parent, `$9` the error.
"""

from collections.abc import Collection
from typing import NamedTuple

from taskqueue.rules.filters import Sort


class Order(NamedTuple):
    """An order of ids, in SQL: what comes behind an id, and the direction."""

    behind: str
    direction: str


ORDERS = {Sort.NEWEST: Order("<", "DESC"), Sort.OLDEST: Order(">", "ASC")}

# A scheduled task reads as such until its time has come, and then as queued.
AHEAD = "run_at > $3"
DUE = "run_at <= $3"

_ANY_KIND = "($4::text IS NULL OR action = $4) AND ($5::text IS NULL OR queue = $5)"


def _ids(order: Order, where: str) -> str:
    return f"""(
        SELECT id FROM taskqueue.tasks
        WHERE {where} AND ($1::text IS NULL OR id {order.behind} $1)
        ORDER BY id {order.direction} LIMIT $2
    )"""


def everything(order: Order) -> str:
    """Return the text that finds all tasks."""
    return _ids(order, "true")


def running(order: Order) -> str:
    """Return the text that finds running tasks."""
    return _ids(order, f"token IS NOT NULL AND status = 'running' AND {_ANY_KIND}")


def members(order: Order, status: str, *conditions: str) -> str:
    """Return the text that finds the members of a group of this status."""
    where = " AND ".join(("group_name = $6", f"status = '{status}'", *conditions))
    return _ids(order, where)


def of_error(order: Order) -> str:
    """Return the text that finds the dead tasks of an action with an error."""
    return _ids(order, f"status = 'dead' AND error_pattern = $9 AND {_ANY_KIND}")


def children(order: Order) -> str:
    """Return the text that finds the tasks that the handler of another one has enqueued."""
    return _ids(order, "parent = $8")


def scheduled(order: Order, side: str) -> str:
    """Return the text that finds scheduled tasks on a side of now."""
    return _ids(order, f"status = 'scheduled' AND {side} AND {_ANY_KIND}")


def _next(column: str, known: str) -> str:
    return f"""(
        SELECT {column} FROM taskqueue.tasks
        WHERE status <> 'running' AND {known} ORDER BY {column} LIMIT 1
    )"""


def of_kinds(order: Order) -> str:
    """Return the text that finds tasks of the statuses `$7`, none of them `running`."""
    of_status = "tasks.status = statuses.status"
    of_next = "tasks.status = actions.status AND tasks.action > actions.action"
    of_action = "tasks.status = actions.status AND tasks.action = actions.action"
    of_queue = "tasks.status = queues.status AND tasks.action = queues.action"
    return f"""(
        WITH RECURSIVE
            statuses (status) AS (SELECT unnest($7::text[]) COLLATE "C"),
            actions (status, action) AS (
                SELECT status, coalesce($4 COLLATE "C", {_next("action", of_status)}) FROM statuses
                UNION ALL
                SELECT status, {_next("action", of_next)} FROM actions
                WHERE action IS NOT NULL AND $4 IS NULL
            ),
            queues (status, action, queue) AS (
                SELECT status, action, coalesce($5 COLLATE "C", {_next("queue", of_action)})
                FROM actions WHERE action IS NOT NULL
                UNION ALL
                SELECT status, action,
                    {_next("queue", f"{of_queue} AND tasks.queue > queues.queue")}
                FROM queues WHERE queue IS NOT NULL AND $5 IS NULL
            )
        SELECT first.id FROM queues CROSS JOIN LATERAL (
            SELECT id FROM taskqueue.tasks
            WHERE tasks.status <> 'running' AND tasks.status = queues.status
                AND tasks.action = queues.action AND tasks.queue = queues.queue
                AND ($1 IS NULL OR id {order.behind} $1)
            ORDER BY id {order.direction} LIMIT $2
        ) AS first
        WHERE queues.queue IS NOT NULL
    )"""


def page(order: Order, sources: Collection[str]) -> str:
    """Return the text that finds the ids of a page, from where they come."""
    return f"""
    WITH asked AS (
        SELECT $1::text, $2::bigint, $3::float8, $4::text, $5::text, $6::text, $7::text[],
            $8::text, $9::text
    )
    SELECT id FROM ({" UNION ALL ".join(sources)}) AS each
    ORDER BY id {order.direction} LIMIT $2
    """


def of_key(order: Order, separator: str, after_scopes: str) -> str:
    """Return the text that finds those that have or had a key: itself, then with any scope."""
    parts = [
        f"SELECT id FROM taskqueue.tasks WHERE {column} {condition}"
        for column in ("unique_key", "former_key")
        for condition in (
            "= $1",
            f"> $1 || '{separator}' AND {column} < $1 || '{after_scopes}'",
        )
    ]
    return f"""
    SELECT id FROM ({" UNION ".join(parts)}) AS each
    WHERE $2::text IS NULL OR id {order.behind} $2 ORDER BY id {order.direction}
    """


# What no index answers, by the names of `TaskFilter.conditions`; the value is the parameter.
_COMPARED = {
    "action": "action = {}",
    "queue": "queue = {}",
    "group": "coalesce(group_name = {}, false)",
    "any_status": """strpos({}, ',' || CASE
        WHEN status = 'scheduled' AND run_at <= $2 THEN 'queued' ELSE status END || ',') > 0""",
    "created_after": "created_at >= {}",
    "created_before": "created_at < {}",
    "ended_after": "coalesce(processed_at >= {}, false)",
    "ended_before": "coalesce(processed_at < {}, false)",
    "trace": "coalesce(substr(traceparent, 4, 32) = {}, false)",
    "error": "coalesce(status = 'dead' AND error_pattern = {}, false)",
    "text": "(strpos(payload, {0}) > 0 OR coalesce(strpos(reason, {0}), 0) > 0)",
}


def compared(conditions: Collection[str], order: Order) -> str:
    """Return the text that says of each of the ids `$1` whether it matches at the instant `$2`.

    And how much of it was looked at.
    """
    matches = " AND ".join(
        _COMPARED[name].format(f"${place}") for place, name in enumerate(conditions, 3)
    )
    length = "length(payload)" if "text" in conditions else "0"
    return f"""
    WITH asked AS (SELECT $2::float8)
    SELECT id, {matches}, {length} FROM taskqueue.tasks
    WHERE id = ANY ($1::text[]) ORDER BY id {order.direction}
    """


SIZES = """
SELECT id, octet_length(payload) + coalesce(octet_length(result), 0)
    + coalesce(octet_length(progress), 0)
FROM taskqueue.tasks WHERE id = ANY ($1::text[])
"""
