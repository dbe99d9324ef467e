"""The floor of one task accepted durably: a commit of one row, by SQLite alone."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from benchmarks.apart import apart
from benchmarks.harness import rate

PAYLOAD = b'{"text":"hello, world","number":1}'


@contextmanager
def committing() -> Iterator[Callable[[], object]]:
    """Make a file; the context commits one row to it with each call, and waits for its sync."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as db:  # each statement commits
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, payload BLOB)")
            yield lambda: db.execute("INSERT INTO tasks VALUES (?, ?)", (str(uuid4()), PAYLOAD))


def per_second(seconds: float) -> float:
    """Return commits per second of a process that does nothing else."""
    return apart(_per_second, seconds)


def _per_second(seconds: float) -> float:
    with committing() as commit:
        return rate(commit, seconds)
