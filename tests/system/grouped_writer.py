"""Fills, closes and works off groups in a file, until it is killed: `python -m … FILE SEED`."""

import asyncio
import random
import sys
from pathlib import Path

from taskqueue.ids import new_id
from taskqueue.rules.groups import Close
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    DeadLetter,
    NewTask,
    Owner,
    Postpone,
    SettleBy,
    Settlement,
    Statement,
)
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage

SIZE = 7


def task(group: str | None) -> NewTask:
    return NewTask(id=new_id(), action="row", payload="{}", group=group)


def settlement(group: str, draw: random.Random) -> Settlement:
    """Return an end, with more members or statements at times, or none yet."""
    statements = (Statement(sql="SELECT 1"),) if draw.random() < 0.3 else ()
    more = (task(group),) if draw.random() < 0.2 else ()
    return draw.choice(
        [
            Complete(result="1", follow_ups=more, statements=statements),
            Complete(result="1"),
            DeadLetter(reason="no", outcome=AttemptOutcome.FAILED, error="no"),
            Postpone(run_at=0.0),
        ]
    )


async def work(storage: Storage, draw: random.Random) -> None:
    """Fill groups and work them off, and tell of each commit."""
    owner = Owner(node="here", incarnation=new_id())
    while True:
        group = new_id()
        members = [task(group) for _ in range(SIZE)]
        await storage.insert(members[1:], now=1.0)
        await storage.close_group(Close(name=group, then=task(None)), members[:1], now=1.0)
        print("closed", flush=True)  # noqa: T201
        while held := await storage.claim("default", limit=4, owner=owner, lease_s=9.0, now=1.0):
            await storage.start([each.token for each in held[:2]], now=1.0)
            await storage.settle(
                [
                    SettleBy(
                        token=each.token, settlement=settlement(each.task.group or group, draw)
                    )
                    for each in held
                ],
                now=1.0,
            )
            print("settled", flush=True)  # noqa: T201


async def main(path: Path, seed: str) -> None:
    """Migrate the file, and write to it."""
    storage = SQLiteStorage(path, writes_in="process")
    await storage.migrate()
    await storage.open()
    await work(storage, random.Random(seed))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
