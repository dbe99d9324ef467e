"""Three weeks of work in a moment: from the second on the file and its log do not grow."""

from pathlib import Path

from taskqueue.ids import new_id
from taskqueue.rules.retention import DAY_S, Retention
from taskqueue.rules.tasks import Complete, NewTask, Owner, SettleBy
from taskqueue.storage.sqlite.engine import SQLiteStorage

A_DAY = 500  # tasks
MIB = 1 << 20
OWNER = Owner(node="here", incarnation="1")
PAYLOAD = '{"action":"echo","data":{"text":"' + "x" * 500 + '"}}'


async def test_a_file_stays_as_large_as_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    storage = SQLiteStorage(path, synchronous="NORMAL")
    await storage.migrate()
    await storage.open()
    retention = Retention(completed_s=2 * DAY_S)
    sizes, logs = [], []

    for day in range(21):
        now = day * DAY_S
        tasks = [NewTask(id=new_id(), action="echo", payload=PAYLOAD) for _ in range(A_DAY)]
        await storage.insert(tasks, now=now)
        claimed = await storage.claim("default", limit=A_DAY, owner=OWNER, lease_s=30, now=now)
        done = [SettleBy(token=each.token, settlement=Complete(result="1")) for each in claimed]
        await storage.settle(done, now=now)
        for status, ended_before in retention.limits(now):
            while await storage.expire(status, ended_before=ended_before, limit=100):
                pass
        sizes.append(path.stat().st_size)
        logs.append(path.with_name("tasks.db-wal").stat().st_size)
    kept = sum((await storage.counts()).values())
    await storage.close()

    print(sizes, logs)  # noqa: T201
    assert kept == 3 * A_DAY
    assert max(sizes[14:]) <= 1.2 * max(sizes[7:14])  # a few free pages more or less
    assert max(logs) <= 48 * MIB  # begun anew when a checkpoint happens to find it whole
