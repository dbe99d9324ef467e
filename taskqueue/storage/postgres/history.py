# ruff: noqa: S608  names of tables, which are made of a status and two numbers
"""Makes the partitions of ended tasks ahead of need, and drops those that are old.

    expire ─▶ look: what is lacking, what is old ─▶ detach ─▶ count, drop
                        └─▶ make

Whichever node gets a lock does it. Changes of the schema wait a tenth of a second for their locks
and are otherwise left to the next round, so no claim and no settlement waits longer behind them. A
settlement needs no partition to be there: what ends in a span without one lies in the rest.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from taskqueue.events import events
from taskqueue.rules.tasks import Status
from taskqueue.storage.postgres import spans
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.errors import is_lost, line_of, sqlstate_of
from taskqueue.storage.postgres.handler_sql.footprint import BESIDE_NO_HANDLER
from taskqueue.storage.postgres.operations.groups import forget_members
from taskqueue.storage.postgres.spans import Span
from taskqueue.storage.postgres.transaction import Transaction

MOST_IN_THE_REST = 10_000
"""With more rows in the rest no partition is made: the server reads all of them, under a lock."""

_LOOK = """
SELECT
    split_part(relname, '_', 3)::bigint, split_part(relname, '_', 4)::bigint, relispartition
FROM pg_class
WHERE relnamespace = 'taskqueue'::regnamespace AND relkind = 'r'
    AND relname ~ ('^' || $1 || '_tasks_[0-9]+_[0-9]+$')
ORDER BY relname
"""
_PAST_END = """
SELECT substring(pg_get_expr(relpartbound, oid) FROM 'TO \\(''?([0-9.e+]+)')::float8
FROM pg_class WHERE oid = ('taskqueue.' || $1 || '_tasks_past')::regclass
"""
_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('taskqueue.history', 0))"

# A node that is frozen loses its session, because its locks keep all others from their tasks.
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '2s'
"""
_BRIEFLY = "SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '2s'"

# A lock was not free; what was to have a partition has come to lie in the rest just now; a
# statement took too long.
_LATER = frozenset({"55P03", "23514", "57014"})

_KINDS = ("tasks", "attempts")


class History(NamedTuple):
    """The partitions of one status."""

    past_end: float
    spans: list[Span]
    detached: list[Span]
    """No longer part of the table, and to be dropped."""


async def look(db: SQL, status: Status) -> History:
    """Return which partitions there are."""
    rows = await db.fetch(_LOOK, status.value)
    return History(
        past_end=await db.fetchval(_PAST_END, status.value),
        spans=[Span(start, end) for start, end, is_attached in rows if is_attached],
        detached=[Span(start, end) for start, end, is_attached in rows if not is_attached],
    )


def has_work(found: History, *, ended_before: float, now: float) -> bool:
    """Tell whether a partition is lacking or old."""
    return bool(
        found.detached
        or spans.old(found.spans, ended_before=ended_before, now=now)
        or _lacking(found, kept_s=now - ended_before, now=now)
    )


async def make(db: SQL, status: Status, *, kept_s: float, now: float) -> None:
    """Make what is lacking from now on."""
    async with _schema_change(db) as is_ours:
        if is_ours and not await _is_crowded(db, status):
            lacking = _lacking(await look(db, status), kept_s=kept_s, now=now)
            new = [await _free_part(db, status, span, now=now) for span in lacking]
            if any(new):
                await _keep_handlers_out(db)
            for span in filter(None, new):
                await _attach(db, status, span)


def _lacking(history: History, *, kept_s: float, now: float) -> list[Span]:
    length_s = spans.length_s(kept_s)
    known = (*history.spans, *history.detached)
    return [*spans.lacking(known, past_end=history.past_end, length_s=length_s, now=now)]


async def _is_crowded(db: SQL, status: Status) -> bool:
    rest = f"SELECT 1 FROM taskqueue.{status}_tasks_rest LIMIT {MOST_IN_THE_REST + 1}"
    rows: int = await db.fetchval(f"SELECT count(*) FROM ({rest}) AS first")
    return rows > MOST_IN_THE_REST


async def _free_part(db: SQL, status: Status, span: Span, *, now: float) -> Span | None:
    """Return the part of a span that a partition can be made for, None if there is none.

    If something of it lies in the rest, that stays and is deleted row by row, and so is what ends
    until the partition begins.
    """
    rest = f"taskqueue.{status}_tasks_rest WHERE processed_at >= $1 AND processed_at < $2"
    if await db.fetchval(f"SELECT EXISTS (SELECT 1 FROM {rest})", *map(float, span)):
        return spans.later_part(span, now=now)
    return span


async def _attach(db: SQL, status: Status, span: Span) -> None:
    for kind in _KINDS:
        parent, name = f"taskqueue.{status}_{kind}", _name(status, kind, span)
        await db.execute(
            f"CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS) WITH (vacuum_truncate = off)"
        )
        await db.execute(
            f"ALTER TABLE {parent} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ({span.start}) TO ({span.end})"
        )


async def drop_old(db: SQL, status: Status, *, ended_before: float, now: float) -> int:
    """Drop the partitions of which nothing has to be kept; return how many tasks that were.

    First they are detached, which takes no longer for many rows than for few. Then nothing else
    uses them, and they are counted. What a node does not finish is found detached by the next one.
    """
    async with _schema_change(db) as is_ours:
        known = (await look(db, status)).spans if is_ours else []
        old = spans.old(known, ended_before=ended_before, now=now)
        if old:
            await _keep_handlers_out(db)
        for span in old:
            await _detach(db, status, span)
    total = 0
    while (dropped := await _drop_next(db, status)) is not None:
        total += dropped
    return total


async def _detach(db: SQL, status: Status, span: Span) -> None:
    for kind in _KINDS:
        parent, name = f"taskqueue.{status}_{kind}", _name(status, kind, span)
        await db.execute(f"ALTER TABLE {parent} DETACH PARTITION {name}")


async def _drop_next(db: SQL, status: Status) -> int | None:
    """Drop a detached partition; return how many tasks it had, None if there is none."""
    async with _schema_change(db) as is_ours:
        if is_ours and (detached := (await look(db, status)).detached):
            return await _drop(db, status, detached[0])
    return None


async def _drop(db: SQL, status: Status, span: Span) -> int:
    """Drop a detached partition, and take its tasks out of all counts.

    What others wait for is locked last: rows of groups when all is counted, handlers kept out when
    nothing is left to be done but the drop.
    """
    tasks, attempts = (_name(status, kind, span) for kind in _KINDS)
    await db.execute(f"LOCK TABLE {tasks}, {attempts} IN ACCESS EXCLUSIVE MODE")
    rows = await db.fetch(f"SELECT group_name, count(*) FROM {tasks} GROUP BY group_name")
    total: int = sum(number for _, number in rows)
    tx = Transaction(db)
    tx.moved(status, None, total)
    await tx.write_counts()
    members = {group: number for group, number in rows if group is not None}
    await forget_members(db, status, members)
    await _keep_handlers_out(db)
    await db.execute(f"DROP TABLE {tasks}, {attempts}")
    return total


def _name(status: Status, kind: str, span: Span) -> str:
    return f"taskqueue.{status}_{kind}_{span.start}_{span.end}"


@asynccontextmanager
async def _schema_change(db: SQL) -> AsyncIterator[bool]:
    """Begin a transaction, tell whether it is our turn, and commit.

    What takes too long, or waits too long for a lock, changes nothing, and raises nothing.
    """
    await db.execute(_BEGIN)
    try:
        yield bool(await db.fetchval(_TURN))
        await db.execute("COMMIT")
    except Exception as error:
        if is_lost(error):
            raise
        await db.execute("ROLLBACK")
        if sqlstate_of(error) not in _LATER:
            raise
        events.info("retention_postponed", reason=line_of(error))


async def _keep_handlers_out(db: SQL) -> None:
    """Wait for handlers whose statements are watched for changes of this schema; let none begin."""
    await db.execute(BESIDE_NO_HANDLER)
    await db.execute(_BRIEFLY)
