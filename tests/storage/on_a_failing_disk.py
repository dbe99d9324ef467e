"""What a storage does on a disk that fails on command: run as a process under tests.disk.shim.

python -m tests.storage.on_a_failing_disk SCENARIO FOLDER      prints what it saw, as JSON
"""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from taskqueue.errors import StorageError
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import add
from tests.disk.shim import LASTING, Call, Control, Kind, Rule

BIRTH_CALLS = (Call.SYNC, Call.WRITE, Call.UNLINK, Call.TRUNCATE)
MOST_CALLS = 12


async def opening(folder: Path) -> list[Any]:
    """Make and open a file again and again, while one call fails, each in its turn."""
    seen = []
    control = Control.inherited()
    for call in BIRTH_CALLS:
        for skip in range(MOST_CALLS):
            path = folder / f"{call.name}-{skip}.db"
            storage = SQLiteStorage(path)
            control.inject(Rule(calls=call, files=Kind.ANY, skip=skip))
            refusal = await _said(lambda: _make(storage))  # noqa: B023  awaited here
            failed = control.injected
            control.heal()
            seen.append([call.name, skip, failed, refusal, _mode(path)])
            await _make(storage)
            seen.append([call.name, skip, 0, None, _mode(path)])
            await storage.close()
    return seen


async def reading(folder: Path) -> list[Any]:
    """Read while the disk fails to, close, and open while it still does, and when it is well."""
    control = Control.inherited()
    storage = SQLiteStorage(folder / "tasks.db")
    await _make(storage)
    await add(storage, "a")
    await storage.close()
    await storage.open()
    control.inject(Rule(calls=Call.READ, files=Kind.DATABASE, times=LASTING))
    seen = [await _said(lambda: storage.find(limit=1, now=0.0))]
    await storage.close()
    seen.append(await _said(storage.open))
    control.heal()
    seen.append(await _said(storage.open))
    seen.append([task.id for task in await storage.find(limit=1, now=0.0)])
    await storage.close()
    return seen


async def _make(storage: SQLiteStorage) -> None:
    await storage.migrate()
    await storage.open()


async def _said(verb: Callable[[], Awaitable[object]]) -> str | None:
    try:
        await verb()
    except StorageError as error:
        return f"{type(error).__name__}: {error}"
    return None


def _mode(path: Path) -> str | None:
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as other:
        return str(other.execute("PRAGMA journal_mode").fetchone()[0])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]](Path(sys.argv[2])))))  # noqa: T201
