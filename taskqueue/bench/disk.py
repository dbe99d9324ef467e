"""SQLite alone: how fast this disk takes commits."""

import sqlite3
from contextlib import closing
from pathlib import Path
from time import perf_counter

from taskqueue.storage.sqlite.database import Synchronous

_PAYLOAD = "x" * 200


def commits_per_second(file: Path, *, rows: int, synchronous: Synchronous, seconds: float) -> float:
    """Return how many commits of so many `rows` each a second the disk takes, one after another."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute(f"PRAGMA synchronous = {synchronous}").fetchall()
        connection.execute("CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, payload TEXT)")
        done, began = 0, perf_counter()
        while True:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO row (payload) VALUES (?)", [(_PAYLOAD,)] * rows)
            connection.execute("COMMIT")
            done += 1
            took = perf_counter() - began
            if took >= seconds:
                return done / took
