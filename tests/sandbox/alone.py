"""Runs the statements of one handler alone, to see whether it is they that hold up a commit."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from taskqueue.children.launch import Child
from taskqueue.rules.tasks import Complete, Delivery, NewTask, Owner, SettleBy, Statement
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.connections import spawn
from taskqueue.storage.sqlite.engine import SQLiteStorage

ME = Owner(node="here", incarnation="1")
SET_UP = tuple(
    Statement(sql=sql)
    for sql in (
        "CREATE TABLE ledger (entries)",
        "INSERT INTO ledger VALUES (0)",
        "CREATE TABLE mine (x, id INTEGER PRIMARY KEY, body)",
        "CREATE INDEX mine_i ON mine (x)",
        "CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT, x, body)",
        "CREATE TABLE documents (id INTEGER PRIMARY KEY, body TEXT, x)",
        "INSERT INTO documents (body) VALUES (printf('%.*c', 1000000, 'a')), ('b')",
        "CREATE VIRTUAL TABLE notes USING fts5 (x, body)",
        "INSERT INTO notes VALUES ('a b c', 'd'), ('b c d', 'e')",
        "CREATE VIRTUAL TABLE areas USING rtree (id, low, high)",
        "CREATE VIEW seen AS SELECT id, x, body FROM documents",
    )
)
"""What is there when an attack begins."""


class Processes:
    """Starts processes and remembers them; the first one writes for the queue."""

    def __init__(self) -> None:
        self.started: list[Child] = []

    def __call__(self) -> Child:
        self.started.append(spawn.spawn())
        return self.started[-1]

    def kill(self) -> None:
        """Kill them all."""
        for each in self.started:
            each.process.kill()


async def begin(storage: Storage, task_id: str, queue: str) -> Delivery:
    """Insert a task and claim it: two commits."""
    task = NewTask(id=task_id, action="echo", payload="{}", queue=queue)
    await storage.insert([task], now=1.0)
    [delivery] = await storage.claim(queue, limit=1, owner=ME, lease_s=1e6, now=1.0)
    return delivery


def completing(delivery: Delivery, statements: Sequence[Statement]) -> SettleBy:
    """Return the settlement of a task whose handler has gathered these statements."""
    settlement = Complete(result="1", statements=tuple(statements))
    return SettleBy(token=delivery.token, settlement=settlement)


async def shrunk(statements: Sequence[Statement], limit_s: float) -> Sequence[Statement]:
    """Leave out what need not be there to hold up an insert; () if they do not, all together."""
    if not await _hold_up(statements, limit_s):
        return ()
    for place in range(len(statements)):
        fewer = [*statements[:place], *statements[place + 1 :]]
        if fewer and await _hold_up(fewer, limit_s):
            return await shrunk(fewer, limit_s)
    return statements


async def _hold_up(statements: Sequence[Statement], limit_s: float) -> bool:
    """Tell whether an insert waits for longer than `limit_s` beside them."""
    processes = Processes()
    with tempfile.TemporaryDirectory(prefix="alone-") as folder:
        storage = SQLiteStorage(Path(folder) / "tasks.db", writes_in="process", spawn=processes)
        await storage.migrate()
        await storage.open()
        await storage.settle([completing(await begin(storage, "setup", "setup"), SET_UP)], now=1.0)
        suspect = completing(await begin(storage, "suspect", "suspect"), statements)
        settling = asyncio.create_task(storage.settle([suspect], now=1.0))
        try:
            return await _longest_wait(storage, settling, limit_s) > limit_s
        finally:
            processes.kill()
            storage.abandon()
            await asyncio.gather(settling, return_exceptions=True)
            for each in processes.started:
                each.process.wait()


async def _longest_wait(
    storage: Storage, settling: "asyncio.Task[object]", limit_s: float
) -> float:
    longest_s, number = 0.0, 0
    while not settling.done() and longest_s <= limit_s:
        number += 1
        task = NewTask(id=f"beside {number}", action="echo", payload="{}", queue="beside")
        began = time.monotonic()
        inserting = asyncio.ensure_future(storage.insert([task], now=1.0))
        await asyncio.wait((inserting,), timeout=2 * limit_s)
        longest_s = max(longest_s, time.monotonic() - began)
        inserting.cancel()
        await asyncio.sleep(0.01)
    return longest_s
