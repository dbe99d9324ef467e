"""Starts the storage on an image, and compares the file with the ledger."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from taskqueue.errors import TaskQueueError
from taskqueue.storage.sqlite.engine import SQLiteStorage
from tests.powercut.load import Note


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
    except sqlite3.Error as error:
        return [f"damaged: {error}"]
    damage = [f"damaged: {line}" for line in found if line != "ok"]
    return damage + [
        f"lost: {note.task_id} was {note.status or 'accepted'}, is {status.get(note.task_id)}"
        for note in notes
        if note.task_id not in status or note.status not in (None, status[note.task_id])
    ]
