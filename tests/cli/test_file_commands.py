"""Commands that work on the database file, whether a service runs or not."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from taskqueue import AsyncClient
from taskqueue.storage.sqlite import inspection
from taskqueue.storage.sqlite.migrating import migrate
from taskqueue.testing.process import ServiceProcess
from tests.cli.conftest import Command, Done, taskqueue
from tests.forked.service import ForkedService


async def test_a_backup_beside_a_service_that_is_fed_has_all_that_was_accepted_before(
    run: Command, service: ServiceProcess, tmp_path: Path
) -> None:
    source, copy = tmp_path / "data/tasks.db", tmp_path / "copy.db"
    before = (await run("enqueue", "resize", "url=a.png", "--delay-s", "600")).out
    stopped = asyncio.Event()

    async def feed() -> int:
        accepted = 0
        async with AsyncClient(service.url) as client:
            while not stopped.is_set():
                await client.enqueue("resize", url="b.png")
                accepted += 1
        return accepted

    feeding = asyncio.create_task(feed())
    made = await taskqueue("--database", str(source), "backup", str(copy))
    checked = [await taskqueue("check", str(path)) for path in (copy, source)]
    stopped.set()
    accepted = await feeding
    found = await run("tasks", "show", before, "--json", TASKQUEUE_URL=f"sqlite:///{copy}")

    assert made == Done(0, f"copied {copy.stat().st_size} bytes to {copy}", "")
    assert [done.out for done in checked] == [
        f"{path}: no fault found" for path in (copy, source)
    ], checked
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert (found.json["id"], found.json["status"]) == (before, "scheduled")
    assert accepted >= 1


async def test_a_backup_under_load_that_is_restored_elsewhere_has_what_was_acknowledged(
    service: ServiceProcess, tmp_path: Path
) -> None:
    acknowledged: list[str] = []
    elsewhere = tmp_path / "elsewhere"
    copy = elsewhere / "data/tasks.db"
    copy.parent.mkdir(parents=True)
    stopped, fed = asyncio.Event(), asyncio.Event()

    async def feed() -> None:
        async with AsyncClient(service.url) as client:
            while not stopped.is_set():
                acknowledged.append((await client.enqueue("resize", url="a.png")).id)
                fed.set()

    feeding = [asyncio.create_task(feed()) for _ in range(4)]
    await fed.wait()
    before = {*acknowledged}
    await taskqueue("--database", str(tmp_path / "data/tasks.db"), "backup", str(copy))
    stopped.set()
    await asyncio.gather(*feeding)
    checked = await taskqueue("check", str(copy))
    async with (
        ForkedService(elsewhere, "--app", "tests.cli.jobs:app") as restored,
        AsyncClient(restored.url) as client,
    ):
        kept = {task.id async for task in client.tasks()}
        for task_id in kept:
            await client.task(task_id).wait(timeout_s=30)
        ends = [(await client.task(task_id).info()).attempts for task_id in kept]

    assert checked.code == 0
    assert before <= kept <= {*acknowledged}
    outcomes = [[attempt.outcome for attempt in attempts] for attempts in ends]
    assert all(each.count("completed") == 1 for each in outcomes)


async def test_a_backup_in_many_parts_is_one_snapshot_and_ends_beside_a_service_that_is_fed(
    service: ServiceProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_PART", 1)
    source, copy = tmp_path / "data/tasks.db", tmp_path / "copy.db"
    moves: list[tuple[int, int]] = []
    stopped = asyncio.Event()

    async def feed() -> None:
        async with AsyncClient(service.url) as client:
            while not stopped.is_set():
                await client.enqueue("resize", url="b.png")

    feeding = asyncio.create_task(feed())
    size = await asyncio.to_thread(
        inspection.back_up, source, copy, lambda *move: moves.append(move)
    )
    stopped.set()
    await feeding

    done, pages = zip(*moves, strict=True)
    assert len(set(pages)) == 1
    assert list(done) == list(range(1, pages[0] + 1))
    assert size == copy.stat().st_size
    assert inspection.faults_of(copy) == ()


async def test_a_backup_never_replaces_a_file(tmp_path: Path) -> None:
    source, taken = tmp_path / "tasks.db", tmp_path / "taken"
    taken.write_text("mine")
    await migrate(source)

    done = await taskqueue("--database", str(source), "backup", str(taken))

    assert done == Done(
        1, "", f"taskqueue: storage unavailable: {taken} exists; choose another name"
    )
    assert taken.read_text() == "mine"
    assert not (tmp_path / "taken.partial").exists()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            "UPDATE counters SET tasks = 7 WHERE status = 'dead'",
            "statuses whose counter is not the number of their tasks: 1",
        ),
        (
            "INSERT INTO attempts VALUES (1, 99, 1, 'failed', '', '', 0, 0, NULL)",
            "attempts without a task: 1",
        ),
    ],
)
async def test_what_is_wrong_in_a_file_is_named_and_ends_the_check_with_1(
    tmp_path: Path, damage: str, says: str
) -> None:
    path = tmp_path / "tasks.db"
    await migrate(path)
    sound = await taskqueue("--database", str(path), "check")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(damage)

    done = await taskqueue("check", str(path))
    as_json = await taskqueue("check", str(path), "--json")

    assert (sound.code, done.code, as_json.code) == (0, 1, 1)
    assert done.err.startswith(f"taskqueue: {path}: {says}")
    assert says in as_json.out


async def test_what_is_no_database_of_the_queue_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, whatever its name says" * 100)

    for name, says in (("text", "is not a usable database"), ("none", "unable to open")):
        done = await taskqueue("check", str(tmp_path / name))

        assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1)
        assert says in done.err
