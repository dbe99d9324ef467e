"""Eight processes write into the service's file while it works, and nobody hears "locked".

`TEST_WRITERS_S` says for how many seconds.
"""

import asyncio
import os
import sys

import aiohttp
import pytest

from tests.system.services import Client, Services, outages, until

pytestmark = [pytest.mark.long, pytest.mark.forked, pytest.mark.in_memory]

SECONDS = float(os.environ.get("TEST_WRITERS_S", "2"))
WRITERS = 8

WRITER = """
import sqlite3, sys, time
from taskqueue import sqlite
from tests.system.app import quick

path, seconds = sys.argv[1], float(sys.argv[2])
db = sqlite3.connect(path, timeout=30)
end = time.monotonic() + seconds
written = 0
while time.monotonic() < end:
    with db:
        sqlite.enqueue(db, quick.prepare())
    written += 1
print(written)
"""


@pytest.mark.timeout(SECONDS + 120)
async def test_many_processes_write_beside_the_service_and_nobody_hears_of_locks(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start("--app", "tests.system.app:app", "--slots", "8"))
    path = services.folder / "data" / "tasks.db"

    writers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, str(path), str(SECONDS)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(WRITERS)
    ]
    posted = 0
    while any(writer.returncode is None for writer in writers):
        assert (await client.try_to_post("quick")).status == 202
        posted += 1
    said = await asyncio.gather(*(writer.communicate() for writer in writers))
    written = sum(int(out) for out, _ in said)
    done = await until(
        lambda: client.get("/stats"),
        lambda answer: answer.body["tasks"]["completed"] >= written + posted,
    )

    print(f"{WRITERS} writers wrote {written} tasks, {posted} were posted")  # noqa: T201
    assert [errors for _, errors in said if errors] == []
    assert done.body["tasks"]["completed"] == written + posted
    assert outages(client.service.events) == []
