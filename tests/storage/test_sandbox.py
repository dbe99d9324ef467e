"""Statements of handlers run where they can be killed, and cost nobody else anything."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.tasks import NotApplied, Settled, Statement
from taskqueue.testing.contract import add, claim
from taskqueue.testing.contract_transactions import apply, complete, query

# Each takes minutes in a single step of SQLite, between two of which nothing is asked.
ENDLESS_STEPS = {
    "glob": "SELECT hex(zeroblob(7000000)) GLOB '*' || substr(hex(zeroblob(450)), 1, 900) || '1*'",
    "like": "SELECT hex(zeroblob(7000000)) LIKE '%' || substr(hex(zeroblob(450)), 1, 900) || '1%'",
    "instr": "SELECT instr(hex(zeroblob(7000000)), hex(zeroblob(3000000)) || '1')",
    "replace": "SELECT replace(hex(zeroblob(7000000)), hex(zeroblob(3000000)) || '1', '')",
}


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SQLiteStorage]:
    storage = SQLiteStorage(tmp_path / "tasks.db", writes_in="process")
    await storage.migrate()
    await storage.open()
    yield storage
    await storage.close()


@pytest.mark.parametrize("name", ENDLESS_STEPS)
async def test_a_single_endless_step_is_a_failure_of_its_own_task_alone(
    storage: SQLiteStorage, name: str
) -> None:
    await apply(storage, "CREATE TABLE mine (x)")
    await add(storage, "a", "b", "c")
    a, b, c = await claim(storage)
    harmless, endless = (
        Statement(sql="INSERT INTO mine VALUES (1)"),
        Statement(sql=ENDLESS_STEPS[name]),
    )

    answers = await asyncio.gather(
        complete(storage, a, harmless),
        complete(storage, b, harmless, endless),
        complete(storage, c, harmless),
        add(storage, "d"),
    )

    assert (answers[0], answers[2]) == (Settled.WRITTEN, Settled.WRITTEN)
    assert isinstance(answers[1], NotApplied)
    assert "took longer than 1.0 s" in answers[1].error
    assert await query(storage, "SELECT x FROM mine") == ((1,), (1,))
