"""Starts the storage on an image, and compares the file with the ledger."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from taskqueue.errors import TaskQueueError
from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.engine import SQLiteStorage
from tests.powercut.load import Note

_COUNTED = " UNION ALL ".join(
    f"SELECT name, '{status}' AS status, {status} AS tasks FROM task_groups WHERE {status} <> 0"
    for status in Status
)
DISORDER = {
    "counts of groups and their rows": f"""
        SELECT * FROM ({_COUNTED}) EXCEPT
        SELECT group_name, status, count(*) FROM tasks
        WHERE group_name IS NOT NULL GROUP BY 1, 2
    """,
    "rows of groups and their counts": f"""
        SELECT group_name, status, count(*) FROM tasks
        WHERE group_name IS NOT NULL GROUP BY 1, 2 EXCEPT SELECT * FROM ({_COUNTED})
    """,
    "counters and rows": """
        SELECT status, tasks FROM counters WHERE tasks <> 0 EXCEPT
        SELECT status, count(*) FROM tasks GROUP BY status
    """,
    "slots of limits without a held task": """
        SELECT task, gate FROM held_slots
        WHERE task NOT IN (SELECT seq FROM tasks WHERE token IS NOT NULL)
    """,
    "more slots than a limit has": """
        SELECT gate, count(*) FROM held_slots GROUP BY gate HAVING count(*) > 2
    """,
    "fired slots without a task": """
        SELECT schedule, at FROM schedule_slots
        WHERE outcome = 'fired' AND task_id NOT IN (SELECT id FROM tasks)
    """,
}
"""Queries that find nothing in a file whose commits are whole."""


async def faults_of(database: Path, notes: Sequence[Note]) -> list[str]:
    """Start on the file as a service would after a power cut; return what is wrong."""
    storage = SQLiteStorage(database)
    try:
        await storage.migrate()
        await storage.open()
        await storage.probe()
        await storage.counts()
    except (TaskQueueError, sqlite3.Error) as error:
        return [f"damaged: {error}"]
    finally:
        storage.abandon()
    return _compared(database, notes)


def _compared(database: Path, notes: Sequence[Note]) -> list[str]:
    try:
        with closing(sqlite3.connect(database)) as db:
            found = [row[0] for row in db.execute("PRAGMA integrity_check")]
            status = dict(db.execute("SELECT id, status FROM tasks").fetchall())
            disorder = [
                f"disordered: {what}: {row}"
                for what, query in DISORDER.items()
                for row in db.execute(query)
            ]
    except sqlite3.Error as error:
        return [f"damaged: {error}"]
    damage = [f"damaged: {line}" for line in found if line != "ok"]
    return [*damage, *disorder] + [
        f"lost: {note.task_id} was {note.status or 'accepted'}, is {status.get(note.task_id)}"
        for note in notes
        if note.task_id not in status or note.status not in (None, status[note.task_id])
    ]
