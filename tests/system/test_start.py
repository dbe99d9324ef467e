"""How the service starts, and how it says that it cannot: one line, an exit code, no traceback."""

import json
import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest

from taskqueue.storage.sqlite.schema.runner import SQLITE_STEPS, SQLITE_VERSION
from taskqueue.supervisor import ROOT_INTENSITY
from taskqueue.testing.process import ServiceProcess
from tests.system.services import Client, Services, until

pytestmark = pytest.mark.long

MAX_RESTARTS = ROOT_INTENSITY.max_restarts


class Bare(ServiceProcess):
    """Started without any flag but those of the test."""

    flags: ClassVar[tuple[str, ...]] = ()


class WithoutRoom(ServiceProcess):
    """It can write nothing to any file."""

    under: ClassVar[tuple[str, ...]] = ("prlimit", "--fsize=1")


class Package(ServiceProcess):
    """`python -m taskqueue`."""

    module: ClassVar[str] = "taskqueue"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


# --- it starts --------------------------------------------------------------------------------


async def test_without_flags_it_keeps_tasks_below_the_working_folder_and_listens_on_8080(
    services: Services, http: aiohttp.ClientSession
) -> None:
    if not is_free(8080):
        pytest.skip("somebody else listens on port 8080")

    service = await services.start(kind=Bare)
    task_id = await Client(http, service).post("uppercase", text="hi")
    await service.wait_for("task_completed", task_id=task_id)

    [ready] = service.events.select("service_ready")
    assert service.url == "http://127.0.0.1:8080"
    assert ready["database"] == str(services.folder / "data" / "tasks.db")
    assert ready["pid"] == service.pid
    assert (services.folder / "data" / "tasks.db").is_file()
    assert await service.stop() == 0
    assert await service.complaint() == ""


async def test_the_package_runs_as_well_and_port_0_picks_a_free_one(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(kind=Package)

    [ready] = service.events.select("service_ready")
    assert ready["port"] > 0
    assert service.url == f"http://127.0.0.1:{ready['port']}"
    await until(lambda: Client(http, service).get("/ready"), lambda answer: answer.status == 200)


async def test_settings_come_from_the_file_the_environment_and_flags(services: Services) -> None:
    (services.folder / "taskqueue.toml").write_text('port = 0\nconsumers = 5\ndatabase = "t.db"\n')
    env = {"TASKQUEUE_CONSUMERS": "3", "TASKQUEUE_DATABASE": "e.db"}

    service = await services.start("--database", "flag.db", env=env, kind=Bare)

    [ready] = service.events.select("service_ready")
    assert ready["port"] not in {0, 8080}
    assert ready["consumers"] == 3
    assert ready["database"] == str(services.folder / "flag.db")


# --- the migration ----------------------------------------------------------------------------


async def test_a_migration_that_exits_with_0_runs_once_and_never_again(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start()

    await Client(http, service).kill("root/database")
    await service.wait_for("child_restarted", child_id="database")
    await service.stop()
    again = await services.start()

    migrated = [event["steps"] for life in services.lives for event in _all(life, "migration_done")]
    assert migrated == [len(SQLITE_STEPS), 0]
    for life in (service, again):
        [ended] = _all(life, "child_exited", child_id="migration")
        assert ended["reason"] == "normal"
        assert len(_all(life, "child_started", child_id="migration")) == 1
        assert _all(life, "child_restarted", child_id="migration") == []


async def test_a_migration_that_fails_at_first_is_tried_again_until_it_is_done(
    services: Services,
) -> None:
    services.expect("actor_crashed")
    with closing(sqlite3.connect(services.folder / "tasks.db", isolation_level=None)) as shell:
        shell.execute("BEGIN EXCLUSIVE")

        service = await services.launch("--database", "tasks.db")
        await service.wait_for("child_restarted", child_id="migration")
        shell.execute("ROLLBACK")
        await service.ready()

    restarted = _all(service, "child_restarted", child_id="migration")
    assert "exit code 1: storage unavailable" in restarted[0]["reason"]
    assert _all(service, "migration_done")[0]["exit_code"] == 0


async def test_a_migration_that_exits_with_1_is_tried_again_within_the_intensity_and_no_more(
    services: Services,
) -> None:
    services.expect("actor_crashed", "supervisor_escalated")

    service = await services.launch("--database", "tasks.db", kind=WithoutRoom)
    code = await service.wait()

    assert code == 1
    assert len(_all(service, "migration_failed")) == MAX_RESTARTS + 1
    assert len(_all(service, "child_terminated", child_id="migration")) == MAX_RESTARTS + 1
    assert len(_all(service, "child_restarted", child_id="migration")) == MAX_RESTARTS
    assert len(_all(service, "supervisor_escalated", child_id="migration")) == 1
    assert len(_all(service, "child_stopped", child_id="database")) == 1
    assert _all(service, "service_ready") == []


# --- it does not start ------------------------------------------------------------------------


def _below_a_file(folder: Path) -> None:
    (folder / "plain").write_text("no folder")


def _a_folder(folder: Path) -> None:
    (folder / "tasks.db").mkdir()


def _a_folder_as_journal(folder: Path) -> None:
    (folder / "tasks.db-journal").mkdir()


def _fifos(*names: str) -> Callable[[Path], None]:
    def arrange(folder: Path) -> None:
        for name in names:
            os.mkfifo(folder / name)

    return arrange


def _no_database(folder: Path) -> None:
    (folder / "tasks.db").write_text("This is a letter, not a database. " * 100)


def _a_table_tasks(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "tasks.db")) as db:
        db.execute("CREATE TABLE Tasks (id, title)")


def _anothers_schema_version(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "tasks.db")) as db:
        db.execute("CREATE TABLE customers (id)")
        db.execute(f"PRAGMA user_version = {SQLITE_VERSION}")


def _of_a_later_release(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "tasks.db")) as db:
        db.execute("PRAGMA user_version = 999")
        db.commit()


def _raising_app(folder: Path) -> None:
    (folder / "raising.py").write_text('raise RuntimeError("no\\nlicence")\n')


def _nothing(_: Path) -> None:
    pass


DATABASE = ("--database", "tasks.db")
REFUSALS = {
    "in a file": (
        _below_a_file,
        ("--database", "plain/tasks.db"),
        "database: {folder}/plain is a file, not a folder",
        1,
    ),
    "below a file": (
        _below_a_file,
        ("--database", "plain/data/tasks.db"),
        "database: cannot make {folder}/plain/data: Not a directory",
        1,
    ),
    "a folder": (_a_folder, DATABASE, "database: {folder}/tasks.db is a folder, not a file", 1),
    "a FIFO": (
        _fifos("tasks.db"),
        DATABASE,
        "database: {folder}/tasks.db: tasks.db is not a regular file",
        1,
    ),
    "a FIFO as its log": (
        _fifos("tasks.db-wal"),
        DATABASE,
        "database: {folder}/tasks.db: tasks.db-wal is not a regular file",
        1,
    ),
    "a folder as its journal": (
        _a_folder_as_journal,
        DATABASE,
        "database: {folder}/tasks.db: tasks.db-journal is a folder, not a file",
        1,
    ),
    "no database": (
        _no_database,
        DATABASE,
        (
            "database: {folder}/tasks.db is not a usable database (file is not a database "
            "(SQLITE_NOTADB)); restore it from a backup, or choose another file with the setting "
            "`database`"
        ),
        1,
    ),
    "a later release": (
        _of_a_later_release,
        DATABASE,
        (
            "did not start: migration: {folder}/tasks.db has schema version 999, this release needs"
            f" {SQLITE_VERSION}: upgrade taskqueue"
        ),
        1,
    ),
    "a table tasks of another program": (
        _a_table_tasks,
        DATABASE,
        (
            "did not start: migration: {folder}/tasks.db has a table tasks that is not taskqueue's;"
            " choose another file with the setting `database`"
        ),
        1,
    ),
    "another program's schema version": (
        _anothers_schema_version,
        DATABASE,
        (
            "did not start: migration: {folder}/tasks.db is another program's: schema version"
            f" {SQLITE_VERSION}, no table attempts; choose another file with the setting `database`"
        ),
        1,
    ),
    "no such app": (
        _nothing,
        ("--app", "nowhere:app"),
        "app: there is no module nowhere in {folder} or on sys.path",
        2,
    ),
    "an app that raises": (
        _raising_app,
        ("--app", "raising:app"),
        "app: importing raising failed at {folder}/raising.py:1: RuntimeError: no licence",
        2,
    ),
}


@pytest.mark.parametrize(("arrange", "flags", "line", "code"), REFUSALS.values(), ids=[*REFUSALS])
async def test_what_cannot_be_used_is_refused_in_one_line(
    services: Services,
    arrange: Callable[[Path], None],
    flags: tuple[str, ...],
    line: str,
    code: int,
) -> None:
    services.expect("child_start_failed")
    arrange(services.folder)
    before = _contents(services.folder)

    service = await services.launch(*flags)
    ended_with = await service.wait()

    assert await service.complaint() == f"taskqueue: {line.format(folder=services.folder)}\n"
    assert ended_with == code
    assert "Traceback" not in _log(service)
    assert len(service.events._events) <= 4  # nothing is tried again
    assert before.items() <= _contents(services.folder).items()  # what was there is untouched


async def test_all_faults_of_the_settings_are_told_at_once(services: Services) -> None:
    (services.folder / "taskqueue.toml").write_text("slots = 0\n")

    service = await services.launch(
        "--port", "80800", "--lease-s", "soon", env={"TASKQUEUE_PREFETCH": "-1"}
    )
    code = await service.wait()

    lines = (await service.complaint()).splitlines()
    assert code == 2
    assert len(lines) == 4
    assert all(line.startswith("taskqueue: ") for line in lines)
    for name in ("slots in taskqueue.toml", "TASKQUEUE_PREFETCH", "--port", "--lease-s"):
        assert any(name in line for line in lines), name


async def test_a_port_in_use_is_refused_before_anything_runs(services: Services) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        service = await services.launch("--port", str(port))
        code = await service.wait()

    complaint = (
        f"port: another program listens on 127.0.0.1:{port}; stop it, or choose another port"
    )
    assert await service.complaint() == f"taskqueue: {complaint}\n"
    assert code == 1
    assert _log(service) == ""


async def test_a_second_process_on_the_same_file_is_refused_and_the_first_does_not_mind(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start())

    second = await services.launch()
    code = await second.wait()
    task_id = await client.post("uppercase", text="hi")
    await client.service.wait_for("task_completed", task_id=task_id)

    holds = f"another taskqueue process holds {services.folder / 'data' / 'tasks.db'}"
    advice = "stop it, or use another database"
    assert await second.complaint() == f"taskqueue: database: {holds}; {advice}\n"
    assert code == 1
    assert _log(second) == ""


async def test_a_second_process_is_refused_through_a_symbolic_link_as_well(
    services: Services, http: aiohttp.ClientSession
) -> None:
    await services.start()
    link = services.folder / "link.db"
    link.symlink_to(services.folder / "data" / "tasks.db")

    second = await services.launch("--database", str(link))

    assert await second.wait() == 1
    holds = f"another taskqueue process holds {link}; stop it, or use another database"
    assert await second.complaint() == f"taskqueue: database: {holds}\n"


def _all(service: ServiceProcess, event: str, **fields: object) -> list[dict[str, object]]:
    return service.events.select(event, **fields)


def _log(service: ServiceProcess) -> str:
    return "\n".join(json.dumps(event) for event in service.events._events)


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
