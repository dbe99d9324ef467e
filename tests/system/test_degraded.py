"""An outage of the storage is not a crash: everybody is told to wait, and it heals by itself."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.system.services import Client, Services, until, when


@contextmanager
def moved_away(database: Path) -> Iterator[None]:
    """The file is not where it was, as when a volume is not mounted."""
    elsewhere = database.with_name("elsewhere.db")
    database.rename(elsewhere)
    yield
    elsewhere.rename(database)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Somebody sits in a shell with a transaction open."""
    with closing(sqlite3.connect(database, isolation_level=None)) as shell:
        shell.execute("PRAGMA busy_timeout = 10000")
        shell.execute("BEGIN EXCLUSIVE")
        yield
        shell.execute("ROLLBACK")


@pytest.mark.parametrize("outage", [moved_away, locked])
async def test_an_outage_is_told_as_such_costs_no_restart_and_heals_by_itself(
    services: Services, http: aiohttp.ClientSession, outage: object
) -> None:
    service = await services.start("--demo-work-s", "0.05")
    client = Client(http, service)
    before = [await client.post("uppercase", text="before") for _ in range(20)]
    await when(before[:3], service, "task_completed")

    with outage(services.folder / "data" / "tasks.db"):  # type: ignore[operator]
        refused = await until(lambda: client.try_to_post("uppercase"), lambda a: a.status == 503)
        not_ready = await until(lambda: client.get("/ready"), lambda a: a.status == 503)
        degraded = await service.wait_for("storage_degraded")
        alive = await client.get("/health")
    await until(lambda: client.get("/ready"), lambda answer: answer.status == 200)
    after = await until(lambda: client.try_to_post("uppercase"), lambda a: a.status == 202)
    await when([*before, after.body["id"]], service, "task_completed")

    assert refused.body["error"] == "failed to queue task"
    assert not_ready.body["error"] == "not ready"
    assert degraded["reason"]
    assert degraded["reason"] in not_ready.body["detail"]
    assert alive.status == 200
    assert service.events.select("child_restarted") == []
    assert service.events.select("child_terminated") == []
