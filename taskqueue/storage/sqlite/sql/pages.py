# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of `find`: a text for each combination of what may be asked for.

One text for all of them (`:action IS NULL OR action = :action`) could use no index. So:

    nothing        along the ids
    running        all that is held, which is as short as the slots and buffers are
    a group        its members of each status, merged
    an error       dead tasks of an action with that error
    a parent       its children along their ids
    anything else  the first of each kind, merged

A *kind* is what has status, action and queue in common; the index `by_kind` has the tasks of each
in the order of their ids. What was not asked for is stepped through from value to value, so that
kinds are found without walking their tasks. `page` takes the first task of all of them, puts the
next of its kind in its place, and so on. So a page costs a few steps in the index for each kind and
for each of its rows, however many tasks there are.

Each text yields its rows in the order of the page, and sorts nothing but ids. So the rows can be
taken one by one, and those behind the end of a page that has become large are never read.
"""

from collections.abc import Callable, Collection
from functools import cache
from typing import NamedTuple

from taskqueue.rules.filters import Sort
from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.sql.rows import BRIEF, TASK


class Order(NamedTuple):
    """An order of ids, in SQL: the first of many, what comes behind an id, and the direction."""

    first: str
    behind: str
    direction: str


ORDERS = {
    Sort.NEWEST: Order("max(id)", "<", "DESC"),
    Sort.OLDEST: Order("min(id)", ">", "ASC"),
}

# A scheduled task reads as such until its time has come, and then as queued.
AHEAD = "run_at > :now"
DUE = "run_at <= :now"

# No index knows two orders, that of the instants and that of the ids. On a side of now where few
# tasks are, all of them are sorted, in 10 ms at most; where many are, walking down the ids meets
# some. Tasks tend to be scheduled equally far ahead. Then those that lie ahead are the newest and
# are met at once, but those that are due come behind all of them, so more of these are sorted.
_FEW = {AHEAD: 1_000, DUE: 10_000}

_KIND = ("status", "action", "queue")

Given = tuple[str, ...]
"""Which of the columns `action` and `queue` are asked for, by parameters of these names."""


@cache
def everything(order: Order) -> str:
    """Return the text that finds all tasks."""
    _, behind, direction = order
    return f"""
    SELECT {TASK} FROM main.tasks WHERE id {behind} :after ORDER BY id {direction} LIMIT :limit
    """


@cache
def running(order: Order, given: Given) -> str:
    """Return the text that finds running tasks."""
    _, behind, direction = order
    return f"""
    SELECT {TASK} FROM main.tasks WHERE id IN (
        SELECT id FROM main.tasks INDEXED BY held
        WHERE token IS NOT NULL AND status = 'running' AND id {behind} :after{equal(given)}
        ORDER BY id {direction} LIMIT :limit
    )
    ORDER BY id {direction}
    """


@cache
def members(order: Order, status: Status, *conditions: str) -> str:
    """Return the text that finds the members of a group of this status."""
    _, behind, direction = order
    where = "".join(f" AND {condition}" for condition in conditions)
    return f"""
    SELECT {TASK} FROM main.tasks INDEXED BY of_group
    WHERE group_name = :group AND status = '{status}' AND id {behind} :after{where}
    ORDER BY id {direction} LIMIT :limit
    """


@cache
def of_error(order: Order, given: Given) -> str:
    """Return the text that finds the dead tasks of an action with an error."""
    _, behind, direction = order
    return f"""
    SELECT {TASK} FROM main.tasks INDEXED BY dead_errors
    WHERE status = 'dead' AND error_pattern = :error AND id {behind} :after{equal(given)}
    ORDER BY id {direction} LIMIT :limit
    """


@cache
def children(order: Order) -> str:
    """Return the text that finds the tasks that the handler of another one has enqueued."""
    _, behind, direction = order
    return f"""
    SELECT {TASK} FROM main.tasks INDEXED BY of_parent
    WHERE parent = :parent AND id {behind} :after ORDER BY id {direction} LIMIT :limit
    """


@cache
def of_kinds(order: Order, statuses: tuple[Status, ...], given: Given, *conditions: str) -> str:
    """Return the text that finds tasks of these statuses, none of them `running`.

    Further conditions are asked of each row in turn, so most should meet them.
    """
    first, behind, direction = order
    foremost = _seek(first, _KIND, "kinds", f"tasks.id {behind} :after", *conditions)
    following = _seek(first, _KIND, "page", f"tasks.id {behind} page.id", *conditions)
    return f"""
    WITH RECURSIVE {_kinds(statuses, given)},
        page (id, status, action, queue) AS (
            SELECT {foremost} AS id, status, action, queue FROM kinds
            UNION ALL
            SELECT {following}, status, action, queue FROM page WHERE id IS NOT NULL
            ORDER BY id {direction} NULLS LAST LIMIT :limit
        )
    SELECT {TASK} FROM main.tasks WHERE id IN (SELECT id FROM page) ORDER BY id {direction}
    """


@cache
def kinds(statuses: tuple[Status, ...]) -> str:
    """Return the text that finds all kinds of these statuses, none of them `running`."""
    return f"""
    WITH RECURSIVE {_kinds(statuses, given=())}
    SELECT status, action, queue FROM kinds WHERE queue IS NOT NULL
    """


def _kinds(statuses: tuple[Status, ...], given: Given) -> str:
    """Step from kind to kind: each row of `kinds` is one, or has no queue."""
    return f"""
        statuses (status) AS (VALUES {", ".join(f"('{status}')" for status in statuses)}),
        actions (status, action) AS ({_step("action", "actions", "statuses", _KIND[:1], given)}),
        kinds (status, action, queue) AS ({_step("queue", "kinds", "actions", _KIND[:2], given)})
    """


def _step(column: str, table: str, above: str, known: tuple[str, ...], given: Given) -> str:
    """Extend each row of `above` by the column's value, or by one value after the other."""
    if column in given:
        return f"SELECT {', '.join(known)}, :{column} FROM {above}"
    first = _seek(f"min({column})", known, above)
    following = _seek(f"min({column})", known, table, f"tasks.{column} > {table}.{column}")
    return f"""
            SELECT {", ".join(known)}, {first} FROM {above}
            UNION ALL
            SELECT {", ".join(known)}, {following} FROM {table} WHERE {column} IS NOT NULL
        """


def _seek(found: str, known: tuple[str, ...], row: str, *conditions: str) -> str:
    """Look up what the index has for the known columns of `row`; NULL if there is nothing."""
    where = " AND ".join((*(f"tasks.{each} = {row}.{each}" for each in known), *conditions))
    return f"""(
                SELECT {found} FROM main.tasks INDEXED BY by_kind
                WHERE tasks.status <> 'running' AND {where}
            )"""


@cache
def are_many(side: str) -> str:
    """Return the text that tells whether many scheduled tasks are on this side of now."""
    return f"""
    SELECT EXISTS (
        SELECT 1 FROM main.tasks INDEXED BY due WHERE status = 'scheduled' AND {side}
        LIMIT 1 OFFSET {_FEW[side]}
    )
    """


@cache
def few_scheduled(side: str, order: Order, given: Given) -> str:
    """Return the text that finds scheduled tasks on a side of now, sorting all that are there."""
    _, behind, direction = order
    return f"""
    SELECT {TASK} FROM main.tasks WHERE id IN (
        SELECT id FROM main.tasks INDEXED BY due
        WHERE status = 'scheduled' AND {side} AND id {behind} :after{equal(given)}
        ORDER BY id {direction} LIMIT :limit
    )
    ORDER BY id {direction}
    """


def many_scheduled(side: str, order: Order, given: Given) -> str:
    """Return the text that finds scheduled tasks on a side of now, passing those on the other."""
    return of_kinds(order, (Status.SCHEDULED,), given, side)


def brief(query: str) -> str:
    """Return the text that finds the same rows without what may be large in them."""
    return query.replace(TASK, BRIEF)


_COMPARED = {
    "action": "action = :action",
    "queue": "queue = :queue",
    "group": "coalesce(group_name = :group, false)",
    "any_status": f"""instr(
        :any_status, printf(',%s,', iif(status = 'scheduled' AND {DUE}, 'queued', status))
    ) > 0""",
    "created_after": "created_at >= :created_after",
    "created_before": "created_at < :created_before",
    "ended_after": "coalesce(processed_at >= :ended_after, false)",
    "ended_before": "coalesce(processed_at < :ended_before, false)",
    "trace": "coalesce(substr(traceparent, 4, 32) = :trace, false)",
    "error": "coalesce(status = 'dead' AND error_pattern = :error, false)",
    "text": "(instr(payload, :text) > 0 OR coalesce(instr(reason, :text), 0) > 0)",
}


def compared(conditions: Collection[str]) -> Callable[[str], str]:
    """Return what makes a text find the same rows as: id, whether it matches, length looked at."""
    matches = " AND ".join(_COMPARED[name] for name in conditions)
    length = "length(payload)" if "text" in conditions else "0"
    return lambda query: query.replace(TASK, f"id, {matches}, {length}")


def equal(given: Given) -> str:
    """Return the conditions that these columns have the given values."""
    return "".join(f" AND {column} = :{column}" for column in given)
