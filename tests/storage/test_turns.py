"""Turns in a file with a long backlog: they are given by the thousand."""

from pathlib import Path

from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import claim, ids
from taskqueue.testing.contract.turns import of


async def test_a_backlog_of_thousands_delays_another_flow_no_more_than_a_short_one(
    tmp_path: Path,
) -> None:
    storage = SQLiteStorage(tmp_path / "tasks.db", synchronous="NORMAL")
    await storage.migrate()
    await storage.open()
    await storage.insert(of("a", *range(16_000)), now=0.0)

    await storage.insert(of("b", 1), now=0.0)

    assert [name[0] for name in ids(await claim(storage, limit=2))] == ["a", "b"]
    await storage.close()
