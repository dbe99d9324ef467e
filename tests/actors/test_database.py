"""The database: owns the storage, and is degraded instead of dead."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from taskqueue.actors import database as database_module
from taskqueue.actors.database import DatabaseActor
from taskqueue.actors.messages import DATABASE, Migrate
from taskqueue.actors.pauses import Recovery
from taskqueue.actors.storage_client import StorageClient
from taskqueue.commands import GetReadiness
from taskqueue.errors import (
    AskTimeout,
    OperationFailed,
    StorageBusy,
    StorageCorrupt,
    StorageLost,
    StorageReadOnly,
    StorageUnavailable,
)
from taskqueue.rules.health import Availability
from taskqueue.rules.tasks import NewTask, Owner
from taskqueue.runtime import NORMAL, System, ask, stop
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.events import EventLog
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import World

TASK = NewTask(id="1", action="echo", payload='{"action":"echo","data":{}}')
ME = Owner(node="local", incarnation="this")
TICK_S = 0.01  # by which a timer may be early
AT_ONCE = Recovery(first_s=0.001, max_s=0.002)


@pytest.fixture
async def migrated(storage: FaultyStorage) -> FaultyStorage:
    await storage.inner.migrate()
    return storage


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A file with the schema in it."""
    path = tmp_path / "tasks.db"
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.close()
    return path


@pytest.fixture
def client(world: World) -> StorageClient:
    return world.storage


@pytest.fixture
def system(world: World) -> System:
    return world.system


async def test_it_serves_what_was_migrated_before(
    system: System, migrated: FaultyStorage, client: StorageClient
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)

    await client.use(Storage.insert, [TASK], now=1.0)

    [task] = await client.use(Storage.find, limit=10, now=1.0)
    assert task.id == "1"


async def test_it_starts_before_the_migration_and_serves_after_it(
    system: System, storage: FaultyStorage, client: StorageClient
) -> None:
    database = await system.spawn(DatabaseActor, lambda: storage, Recovery(first_s=60))
    with pytest.raises(StorageUnavailable):
        await client.use(Storage.counts)

    steps = await ask(database, Migrate())
    again = await ask(database, Migrate())

    assert (steps, again) == (("1 tasks",), ())
    assert sum((await client.use(Storage.counts)).values()) == 0


async def test_an_outage_is_answered_without_touching_the_storage_and_ends_by_itself(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    database = await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    migrated.break_down("disk on fire")
    with pytest.raises(StorageUnavailable, match="disk on fire"):
        await client.use(Storage.insert, [TASK], now=1.0)
    asked = migrated.calls.count("insert")

    with pytest.raises(StorageUnavailable, match="disk on fire"):
        await client.use(Storage.insert, [TASK], now=1.0)
    readiness = await ask(database, GetReadiness())
    migrated.repair()
    await events.wait_for("storage_ready", nth=2)

    assert migrated.calls.count("insert") == asked
    assert (readiness.ready, readiness.reason) == (False, "disk on fire")
    await client.use(Storage.counts)
    assert len(events.select("storage_degraded")) == 1
    assert database.is_alive()


async def test_a_storage_that_hangs_is_unavailable_until_a_probe_passes_without_a_pause(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    availability = Availability()
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE, availability)
    held = migrated.hold("probe")

    migrated.have_trouble("the disk hangs")
    with pytest.raises(StorageUnavailable, match="the disk hangs"):
        await client.use(Storage.insert, [TASK], now=1.0)
    read = await client.use(Storage.find, limit=10, now=1.0)
    await held.reached()
    migrated.have_trouble("the disk hangs")  # while it is tried
    held.release()
    await migrated.called("probe")  # so the first did not count
    await events.wait_for("storage_ready", nth=2)

    assert read == ()
    assert len(events.select("storage_degraded")) == 1
    assert availability.unavailable is None
    await client.use(Storage.insert, [TASK], now=1.0)


async def test_a_read_does_not_wait_for_a_storage_that_hangs_while_it_is_opened_again(
    system: System,
    migrated: FaultyStorage,
    client: StorageClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_module, "REOPENED_S", 0.01)
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    held = migrated.hold("open")
    migrated.fail_next("insert", StorageReadOnly("mounted read-only"))
    migrated.fail_next("probe", StorageReadOnly("mounted read-only"))
    with pytest.raises(StorageUnavailable):
        await client.use(Storage.insert, [TASK], now=1.0)
    await held.reached()

    with pytest.raises(StorageUnavailable, match="mounted read-only"):
        await client.use(Storage.find, limit=10, now=1.0)

    held.release()


async def test_while_nothing_can_be_written_reads_go_on_and_the_storage_stays_open(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    await client.use(Storage.insert, [TASK], now=1.0)
    migrated.break_down("disk full", verbs={"insert", "probe"})
    with pytest.raises(StorageUnavailable, match="disk full"):
        await client.use(Storage.insert, [TASK], now=1.0)

    for _ in range(3):
        await migrated.called("probe")
        assert len(await client.use(Storage.find, limit=10, now=1.0)) == 1
    with pytest.raises(StorageUnavailable, match="disk full"):
        await client.use(Storage.claim, "default", limit=1, owner=ME, lease_s=30.0, now=1.0)
    migrated.repair()
    await events.wait_for("storage_ready", nth=2)

    assert "claim" not in migrated.calls
    assert "close" not in migrated.calls
    assert len(events.select("storage_degraded")) == 1
    assert len(events.select("storage_ready")) == 2


async def test_who_reads_waits_while_a_read_only_storage_is_opened_again(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    opening = migrated.hold("open")
    migrated.fail_next("insert", StorageReadOnly("read-only"))
    migrated.fail_next("probe", StorageReadOnly("read-only"))
    with pytest.raises(StorageUnavailable, match="read-only"):
        await client.use(Storage.insert, [TASK], now=1.0)
    await opening.reached()

    reading = asyncio.create_task(client.use(Storage.find, limit=10, now=1.0))
    with pytest.raises(StorageUnavailable, match="read-only"):  # a write does not wait
        await client.use(Storage.insert, [TASK], now=1.0)
    waits = not reading.done()
    opening.release()

    assert waits
    assert await reading == ()
    await events.wait_for("storage_ready", nth=2)


async def test_a_storage_that_was_lost_is_opened_again_without_a_pause(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, Recovery(first_s=60))
    migrated.fail_next("insert", StorageLost("the connection has ended"))
    migrated.fail_next("probe", StorageLost("the connection has ended"))

    with pytest.raises(StorageUnavailable, match="the connection has ended"):
        await client.use(Storage.insert, [TASK], now=1.0)
    await events.wait_for("storage_ready", nth=2)

    assert migrated.calls.count("open") == 2
    assert len(await client.use(Storage.insert, [TASK], now=1.0)) == 1


async def test_what_another_program_holds_is_refused_to_who_needs_it_and_to_nobody_else(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    database = await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    migrated.fail_next("insert", StorageBusy("process 7 holds a lock"))
    probing = migrated.hold("probe")

    with pytest.raises(StorageUnavailable, match="process 7 holds a lock"):
        await client.use(Storage.insert, [TASK], now=1.0)
    await probing.reached()
    others = await client.use(Storage.insert, [TASK], now=1.0)
    probing.release()
    readiness = await ask(database, GetReadiness())

    assert len(others) == 1
    assert readiness.ready
    assert events.select("storage_degraded") == []


async def test_a_lock_in_the_way_of_everything_is_an_outage(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    migrated.fail_next("insert", StorageBusy("process 7 holds a lock"))
    migrated.fail_next("probe", StorageBusy("process 7 holds a table"))

    with pytest.raises(StorageUnavailable, match="process 7 holds a lock"):
        await client.use(Storage.insert, [TASK], now=1.0)
    degraded = await events.wait_for("storage_degraded")
    await events.wait_for("storage_ready", nth=2)

    assert "process 7 holds a table" in degraded["reason"]


async def test_who_asks_a_stuck_storage_waits_no_longer_than_it_wants(
    system: System, migrated: FaultyStorage
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    stuck = migrated.hold("find")
    hasty = StorageClient(system.address(DATABASE), timeout_s=0.05)

    with pytest.raises(AskTimeout):
        await hasty.use(Storage.find, limit=10, now=1.0)

    stuck.release()


async def test_a_disk_with_room_for_a_few_bytes_is_not_ready(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    migrated.break_down("disk full", verbs={"probe"})
    migrated.fail_next("insert", StorageUnavailable("disk full"))
    with pytest.raises(StorageUnavailable, match="disk full"):
        await client.use(Storage.insert, [TASK], now=1.0)

    for _ in range(3):
        await migrated.called("probe")

    assert len(events.select("storage_ready")) == 1
    assert len(events.select("storage_degraded")) == 1


async def test_an_outage_of_one_call_hurts_nobody_else(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    held = migrated.hold("insert")
    written = asyncio.create_task(client.use(Storage.insert, [TASK], now=1.0))
    await held.reached()
    migrated.fail_next("counts", StorageUnavailable("hiccup"))

    with pytest.raises(StorageUnavailable, match="hiccup"):
        await client.use(Storage.counts)
    await events.wait_for("storage_ready", nth=2)
    held.release()

    await written


async def test_an_outage_that_comes_back_soon_is_waited_for_longer(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, Recovery(first_s=0.001, factor=200))
    loop, took_s = asyncio.get_running_loop(), []

    for outage in (1, 2):
        migrated.fail_next("insert", StorageUnavailable("locked"))  # a probe would work
        began = loop.time()
        with pytest.raises(StorageUnavailable, match="locked"):
            await client.use(Storage.insert, [TASK], now=1.0)
        await events.wait_for("storage_ready", nth=1 + outage)
        took_s.append(loop.time() - began)

    assert took_s[1] >= 0.2 - TICK_S


async def test_a_corrupt_storage_is_unavailable_and_left_to_a_person(
    system: System, migrated: FaultyStorage, client: StorageClient
) -> None:
    database = await system.spawn(DatabaseActor, lambda: migrated, Recovery(first_s=60))
    migrated.fail_next("counts", StorageCorrupt("tasks.db", "malformed"))

    with pytest.raises(StorageUnavailable, match=r"tasks\.db is not a usable database"):
        await client.use(Storage.counts)

    assert database.is_alive()
    assert not (await ask(database, GetReadiness())).ready


@pytest.mark.parametrize("error", [ZeroDivisionError("why"), MemoryError("why"), ValueError("why")])
async def test_an_error_that_nothing_foresees_belongs_to_its_caller_alone(
    system: System,
    migrated: FaultyStorage,
    client: StorageClient,
    events: EventLog,
    error: Exception,
) -> None:
    database = await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    migrated.fail_next("counts", error)

    with pytest.raises(OperationFailed, match="why"):
        await client.use(Storage.counts)

    failed = await events.wait_for("storage_operation_failed", verb="counts")
    assert failed["reason"] == f"{type(error).__name__}: why"
    assert database.is_alive()
    assert (await ask(database, GetReadiness())).ready
    await client.use(Storage.counts)


async def test_a_stop_finishes_what_is_being_written(system: System, path: Path) -> None:
    database = await system.spawn(DatabaseActor, lambda: SQLiteStorage(path), AT_ONCE)
    client = StorageClient(system.address(DATABASE))
    writes = [
        asyncio.create_task(
            client.use(
                Storage.insert,
                [NewTask(id=str(n), action="echo", payload=TASK.payload)],
                now=1.0,
            )
        )
        for n in range(20)
    ]
    await ask(database, GetReadiness())  # it has taken them all

    await stop(database, NORMAL)
    await asyncio.gather(*writes)

    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM tasks").fetchone() == (20,)
    db.close()


async def test_the_next_life_serves_what_a_killed_one_left(
    system: System, path: Path, events: EventLog
) -> None:
    client = StorageClient(system.address(DATABASE))
    for life in range(5):
        database = await system.spawn(DatabaseActor, lambda: SQLiteStorage(path), AT_ONCE)
        await events.wait_for("storage_ready", nth=life + 1)
        new = NewTask(id=str(life), action="echo", payload=TASK.payload)
        await client.use(Storage.insert, [new], now=1.0)
        database.kill()
        await database.ended()

    await system.spawn(DatabaseActor, lambda: SQLiteStorage(path), AT_ONCE)

    assert len(await client.use(Storage.find, limit=10, now=1.0)) == 5


async def test_one_that_was_killed_does_not_try_again(
    system: System, storage: FaultyStorage
) -> None:
    database = await system.spawn(DatabaseActor, lambda: storage, Recovery(first_s=0.0))
    database.kill()
    await database.ended()
    calls = len(storage.calls)

    for _ in range(100):
        await asyncio.sleep(0)

    assert len(storage.calls) == calls


async def test_memory_is_kept_over_lives(system: System, client: StorageClient) -> None:
    inner = MemoryStorage()
    await inner.migrate()
    for life in range(2):
        database = await system.spawn(DatabaseActor, lambda: FaultyStorage(inner), AT_ONCE)
        new = NewTask(id=str(life), action="echo", payload=TASK.payload)
        await client.use(Storage.insert, [new], now=1.0)
        await stop(database, NORMAL)

    await system.spawn(DatabaseActor, lambda: FaultyStorage(inner), AT_ONCE)

    assert len(await client.use(Storage.find, limit=10, now=1.0)) == 2


async def test_what_still_fails_after_an_outage_begins_no_new_one(
    system: System, migrated: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    await system.spawn(DatabaseActor, lambda: migrated, AT_ONCE)
    straggler = migrated.hold("find")
    asking = asyncio.create_task(client.use(Storage.find, limit=1, now=1.0))
    await straggler.reached()
    migrated.fail_next("counts", StorageUnavailable("locked"))
    with pytest.raises(StorageUnavailable):
        await client.use(Storage.counts)
    await events.wait_for("storage_ready", nth=2)

    migrated.fail_next("find", StorageUnavailable("closed"))
    straggler.release()
    with pytest.raises(StorageUnavailable):
        await asking

    assert await client.use(Storage.counts) is not None
    assert [e["reason"] for e in events.select("storage_degraded")] == ["locked"]


async def test_a_migration_and_a_recovery_take_turns(
    system: System, storage: FaultyStorage, client: StorageClient, events: EventLog
) -> None:
    opening = storage.hold("migrate")
    database = await system.spawn(DatabaseActor, lambda: storage, AT_ONCE)
    closed_before = storage.calls.count("close")

    migrating = asyncio.create_task(ask(database, Migrate()))
    await opening.reached()
    closed_at_most = storage.calls.count("close")
    await asyncio.wait({migrating}, timeout=20 * AT_ONCE.max_s)  # recovery is due many times over
    opening.release()
    await migrating

    assert closed_before <= closed_at_most == storage.calls.count("close")
    assert await client.use(Storage.counts) is not None
    assert len(events.select("storage_ready")) == 1
