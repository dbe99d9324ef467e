"""Everything that is compared when a run is over.

It reads the file with plain sqlite3, so that no fault of the service can hide itself.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from taskqueue.verification.app import CHILD, TICK
from taskqueue.verification.evidence import HandlerRun
from taskqueue.verification.load import Note

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Books:
    """What clients were told, what the database holds, and what handlers did."""

    notes: Sequence[Note]
    tasks: Sequence[Row]
    lines: Mapping[int, Sequence[Row]]  # of the history, by `tasks.seq`
    effects: Counter[str]  # by task id
    counters: Mapping[str, int]
    integrity: str
    runs: Sequence[HandlerRun]  # of actions with limits
    claims: Sequence[float]  # when completed attempts were claimed that count towards the rate
    held_slots: Sequence[Row]
    schedules: Sequence[Row]
    slots: Sequence[Row]  # of schedules
    groups: Sequence[Row]
    calm_at: float  # when the faults were over

    @classmethod
    def read(
        cls, database: Path, notes: Sequence[Note], runs: Sequence[HandlerRun], *, calm_at: float
    ) -> "Books":
        """Read the database after the service has stopped."""
        with closing(sqlite3.connect(database)) as db:
            db.row_factory = sqlite3.Row
            lines = defaultdict(list)
            for line in _rows(db, "SELECT * FROM attempts ORDER BY seq"):
                lines[line["task"]].append(line)
            [integrity] = db.execute("PRAGMA integrity_check").fetchone()
            return cls(
                notes=notes,
                tasks=[
                    {**row, **json.loads(row["payload"])["data"]}
                    for row in _rows(db, "SELECT * FROM tasks ORDER BY seq")
                ],
                lines=lines,
                effects=Counter(task for [task] in db.execute("SELECT task FROM effects")),
                counters=dict(db.execute("SELECT status, tasks FROM counters").fetchall()),
                integrity=str(integrity),
                runs=runs,
                claims=[at for [at] in db.execute("SELECT claimed_at FROM starts")],
                held_slots=[*_rows(db, "SELECT * FROM held_slots")],
                schedules=[*_rows(db, "SELECT * FROM task_schedules")],
                slots=[*_rows(db, "SELECT * FROM schedule_slots ORDER BY schedule, at")],
                groups=[*_rows(db, "SELECT * FROM task_groups ORDER BY seq")],
                calm_at=calm_at,
            )

    def by_key(self) -> Mapping[str, Sequence[Row]]:
        """Return the tasks that clients have posted, by the key in their data."""
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for task in self.tasks:
            if task["action"] not in (CHILD, TICK):
                found[task["key"]].append(task)
        return found


def _rows(db: sqlite3.Connection, statement: str) -> Iterable[Row]:
    return map(dict, db.execute(statement))
