"""The gates of limits in the file between two lives of the service.

Whatever the moment was at which a life was killed, the last commit has left the gates in order.
"""

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from contextlib import closing
from pathlib import Path

from taskqueue.structs import Struct
from taskqueue.verification.app import AT_ONCE

_RUNNING = """
SELECT name, coalesce(changed, declared) ->> 'running' AS most FROM task_limits
WHERE most IS NOT NULL
"""
_OPEN_GATES = """
SELECT iif(use ->> 1 IS NULL, use ->> 0, (use ->> 0) || '/' || (use ->> 1))
FROM (
    SELECT each.value AS use FROM tasks, json_each(tasks.limits) AS each
    WHERE token IS NULL AND processed_at IS NULL AND gate IS NULL AND limits IS NOT NULL
)
"""


class StoppedGates(Struct):
    """Which tasks have slots of a gate, are parked there, or are open; which gates open later.

    `running` is how many each limit allows at the moment, which may be fewer than it ever does.
    """

    held: Mapping[str, int]
    parked: Mapping[str, int]
    open: Mapping[str, int]
    opening: Set[str]
    running: Mapping[str, int] = {}


def disordered(gates: StoppedGates) -> Iterator[str]:
    """Yield the gates that have given more slots than there are, or let tasks wait for nothing."""
    for gate, held in gates.held.items():
        most = AT_ONCE.get(gate.partition("/")[0])
        if most is not None and held > most:
            yield f"{held} tasks have slots of {gate}, which has {most}"
    for gate, parked in gates.parked.items():
        name = gate.partition("/")[0]
        most = gates.running.get(name, AT_ONCE.get(name))
        is_shut = gate in gates.opening if most is None else gates.held.get(gate, 0) >= most
        if not is_shut and not gates.open.get(gate):
            yield f"{parked} tasks wait for {gate}, which has room, and none of them is open"


def disorder_found(database: Path) -> list[str]:
    """Return what is out of order in the file; a process that still wrote leaves it in doubt."""
    found: set[str] = set()
    for time in range(2):
        gates = _read_copy(database)
        seen = set() if gates is None else {f"in the file: {each}" for each in disordered(gates)}
        found = seen if time == 0 else found & seen
    return sorted(found)


def _read_copy(database: Path) -> StoppedGates | None:
    """Read the gates from a copy: the next life finds the log as the last one has left it.

    Returns None if there is no sound file yet, or if a process of the last life still wrote.
    """
    with tempfile.TemporaryDirectory(dir=database.parent.parent) as folder:
        try:
            for suffix in ("", "-wal"):
                source = database.with_name(database.name + suffix)
                if source.exists():
                    shutil.copy(source, folder)
            with closing(sqlite3.connect(Path(folder) / database.name)) as db:
                return _read(db)
        except (FileNotFoundError, sqlite3.DatabaseError):
            return None


def _read(db: sqlite3.Connection) -> StoppedGates:
    parked = "SELECT gate FROM tasks WHERE gate IS NOT NULL AND gate <> '/turn'"
    return StoppedGates(
        held=Counter(gate for [gate] in db.execute("SELECT gate FROM held_slots")),
        parked=Counter(gate for [gate] in db.execute(parked)),
        open=Counter(gate for [gate] in db.execute(_OPEN_GATES)),
        opening={gate for [gate] in db.execute("SELECT gate FROM gate_openings")},
        running=dict(db.execute(_RUNNING).fetchall()),
    )
