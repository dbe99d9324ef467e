"""The SQL of the handlers under test, in the words of each engine."""

import os
from collections.abc import Mapping

from taskqueue.structs import Struct

ENGINE = "VERIFICATION_ENGINE"
"""The variable that names the engine of a service; SQLite without it."""


class Statements(Struct):
    """What handlers write through their transactions, and where."""

    make_tables: tuple[str, ...]
    note_effect: str
    """Takes the id of a task and the number of its attempt."""
    note_start: str
    """Takes the id of a task that is held; notes when it was claimed."""


SQLITE = Statements(
    make_tables=(
        "CREATE TABLE effects (task TEXT NOT NULL, attempt INTEGER NOT NULL) STRICT",
        "CREATE TABLE starts (claimed_at REAL NOT NULL) STRICT",
    ),
    note_effect="INSERT INTO effects (task, attempt) VALUES (?, ?)",
    note_start="INSERT INTO starts SELECT claimed_at FROM tasks WHERE id = ?",
)
POSTGRES = Statements(
    make_tables=(
        "CREATE TABLE effects (task text NOT NULL, attempt integer NOT NULL)",
        "CREATE TABLE starts (claimed_at double precision NOT NULL)",
    ),
    note_effect="INSERT INTO effects (task, attempt) VALUES ($1, $2)",
    note_start="INSERT INTO starts SELECT claimed_at FROM taskqueue.tasks WHERE id = $1",
)
_BY_ENGINE: Mapping[str, Statements] = {"sqlite": SQLITE, "postgres": POSTGRES}


def of_this_service() -> Statements:
    """Return those of the engine on which this process runs."""
    return _BY_ENGINE[os.environ.get(ENGINE, "sqlite")]
