"""What the tests have the process that writes do: it finds it here, by name."""

import os
import sqlite3
import time
from pathlib import Path


def nothing(_: sqlite3.Connection) -> None:
    """Do nothing."""


def refuse(_: sqlite3.Connection) -> None:
    """Fail to set up."""
    raise sqlite3.DatabaseError("not today")


def where(db: sqlite3.Connection) -> tuple[object, int]:
    """Return what the connection answers, and in which process."""
    return db.execute("SELECT 41 + 1").fetchone(), os.getpid()


def execute(sql: str, db: sqlite3.Connection) -> list[object]:
    """Return the rows of a statement."""
    return db.execute(sql).fetchall()


def give_back(value: object, _: sqlite3.Connection) -> object:
    """Return what came."""
    return value


def length(value: bytes, _: sqlite3.Connection) -> int:
    """Return how long that is which came."""
    return len(value)


class Unfaithful(Exception):
    """Cannot be made again from what it says of itself."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(one + other)


def fail_oddly(_: sqlite3.Connection) -> None:
    """Raise what does not survive the way back."""
    raise Unfaithful(1, 2)


def fail(error: BaseException, _: sqlite3.Connection) -> None:
    """Raise what came."""
    raise error


def commit_when(go: Path, db: sqlite3.Connection) -> None:
    """Make a table `written`, tell that it is there, and commit it as soon as there is a file."""
    db.execute("BEGIN IMMEDIATE")
    db.execute("CREATE TABLE written (x)")
    begun(go).touch()
    while not go.exists():
        time.sleep(0.001)
    db.execute("COMMIT")


def wait_for(go: Path, _: sqlite3.Connection, **__: object) -> None:
    """Tell that the set-up has begun, and end it as soon as there is a file."""
    begun(go).touch()
    while not go.exists():
        time.sleep(0.001)


def begun(go: Path) -> Path:
    """Return the file that tells that `commit_when` or `wait_for` has begun."""
    return go.with_suffix(".begun")
