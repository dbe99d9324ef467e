"""What a storage does on a disk that fails on command: run as a process under tests.disk.shim.

python -m tests.storage.on_a_failing_disk SCENARIO FOLDER      prints what it saw, as JSON
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from taskqueue.errors import StorageError
from taskqueue.rules.tasks import Statement
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.sql_steps import apply, complete, query
from taskqueue.testing.contract.steps import add, claim
from taskqueue.testing.process import children_of
from tests.disk.shim import LASTING, Call, Control, Kind, Rule

BIRTH_CALLS = (Call.SYNC, Call.WRITE, Call.UNLINK, Call.TRUNCATE)
MOST_CALLS = 12
LASTING_MS = 60_000
PATIENCE_S = 30.0


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


async def committing(folder: Path) -> list[Any]:
    """Kill the process that applies a handler's statements, then the writer, each in its commit."""
    path = folder / "tasks.db"
    storage = SQLiteStorage(path, writes_in="process")
    await _make(storage)
    [writer] = children_of(os.getpid())
    await apply(storage, "CREATE TABLE mine (x)")
    [applies] = set(children_of(os.getpid())) - {writer}
    await add(storage, "a")
    [delivery] = await claim(storage)

    with _hanging_syncs():
        statement = Statement(sql="INSERT INTO mine VALUES (1)")
        settling = asyncio.ensure_future(complete(storage, delivery, statement))
        await _kill_in_commit(applies, path)
    seen: list[Any] = [(await settling).name]
    with _hanging_syncs():
        adding = asyncio.ensure_future(_said(lambda: add(storage, "b")))
        await _kill_in_commit(writer, path)
    seen.append(await adding)
    await storage.close()

    await storage.open()
    await add(storage, "c")
    [task] = [each for each in await storage.find(limit=9, now=0.0) if each.id == "a"]
    seen += [task.status, await query(storage, "SELECT x FROM mine")]
    await storage.close()
    with closing(sqlite3.connect(path)) as db:
        seen += db.execute("PRAGMA integrity_check").fetchone()
    return seen


@contextmanager
def _hanging_syncs() -> Iterator[None]:
    control = Control.inherited()
    control.hesitate(sync_ms=LASTING_MS)
    yield
    control.hesitate()


async def _kill_in_commit(pid: int, path: Path) -> None:
    """Kill the process as soon as its commit is in the log, which it cannot sync."""
    log = path.with_name(f"{path.name}-wal")
    written_at = log.stat().st_mtime_ns
    async with asyncio.timeout(PATIENCE_S):
        while log.stat().st_mtime_ns == written_at:  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.001)
    os.kill(pid, signal.SIGKILL)


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
