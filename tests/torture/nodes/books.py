"""Reads the books of nodes: from PostgreSQL, past the service."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import asyncpg

from taskqueue.verification.books import Books, Row
from taskqueue.verification.evidence import HandlerRun
from taskqueue.verification.load import Note

STATUSES = ("queued", "scheduled", "running", "retrying", "completed", "dead", "cancelled")
_COUNTERS = ", ".join(f"sum({status})::bigint AS {status}" for status in STATUSES)

# Each row is in the index that finds it, and the other way round.
_DAMAGE = """
SELECT bt_index_check(pg_class.oid, true) FROM pg_class JOIN pg_am ON pg_am.oid = relam
WHERE relnamespace = 'taskqueue'::regnamespace AND relkind = 'i' AND amname = 'btree'
"""


async def read_books(
    url: str, notes: Sequence[Note], runs: Sequence[HandlerRun], *, calm_at: float
) -> Books:
    """Read the database after all nodes have stopped."""
    db = await asyncpg.connect(url)
    try:
        lines = defaultdict(list)
        for line in await _rows(db, "SELECT * FROM taskqueue.attempts ORDER BY seq"):
            lines[line["task"]].append(line)
        [counters] = await _rows(db, f"SELECT {_COUNTERS} FROM taskqueue.counters")
        return Books(
            notes=notes,
            tasks=[
                {**row, **json.loads(row["payload"])["data"]}
                for row in await _rows(db, "SELECT * FROM taskqueue.tasks ORDER BY seq")
            ],
            lines=lines,
            effects=Counter(row["task"] for row in await _rows(db, "SELECT task FROM effects")),
            counters=dict(counters),
            integrity=await _damage(db),
            runs=runs,
            claims=[row["claimed_at"] for row in await _rows(db, "SELECT claimed_at FROM starts")],
            held_slots=await _rows(db, "SELECT * FROM taskqueue.held_slots"),
            schedules=await _rows(db, "SELECT * FROM taskqueue.task_schedules"),
            slots=await _rows(db, "SELECT * FROM taskqueue.schedule_slots ORDER BY schedule, at"),
            groups=await _rows(db, "SELECT * FROM taskqueue.task_groups ORDER BY seq"),
            calm_at=calm_at,
        )
    finally:
        await db.close()


async def _rows(db: Any, statement: str) -> list[Row]:
    return [dict(record) for record in await db.fetch(statement)]


async def _damage(db: Any) -> str:
    try:
        await db.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
        await db.fetch(_DAMAGE)
    except asyncpg.PostgresError as error:
        return str(error)
    return "ok"
