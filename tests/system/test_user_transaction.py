"""Another process enqueues in a transaction of its own while the service runs."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.system.services import TIMEOUT_S, Client, Services

pytestmark = pytest.mark.forked

ROOT = Path(__file__).parents[2]
FLAGS = ("--app", "tests.system.app:app", "--lease-s", "1")

ENQUEUEING = """
import sqlite3, sys
from taskqueue.sqlite import enqueue
from tests.system.app import quick

db = sqlite3.connect(sys.argv[1], timeout=10)
with db:
    db.execute("CREATE TABLE mine (x)")
    [kept] = enqueue(db, quick.prepare())
[rolled_back] = enqueue(db, quick.prepare())
db.rollback()
print(kept.id, rolled_back.id)
"""


async def test_a_task_that_another_process_commits_is_done_and_one_rolled_back_is_not(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    kept, rolled_back = await _enqueue(services.folder / "data" / "tasks.db")
    await client.service.wait_for("task_completed", task_id=kept, timeout_s=TIMEOUT_S)
    answer = await client.get(f"/tasks/{rolled_back}")

    assert answer.status == 404


async def _enqueue(path: Path) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ENQUEUEING, str(path), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode().split()
