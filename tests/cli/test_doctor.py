"""`taskqueue doctor` finds what is broken, names it and says what to do."""

import asyncio
import os
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from taskqueue import Client
from taskqueue.doctor.findings import Finding, problem, warning
from taskqueue.storage.sqlite.disk.probe import kind_of
from taskqueue.storage.sqlite.schema import runner
from tests.cli.conftest import Done, taskqueue
from tests.forked.process import forked
from tests.forked.service import ForkedService

JOBS = Path(__file__).with_name("jobs.py")
HOUR_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Broken:
    """How the command is run to find the fault."""

    flags: Sequence[str] = ()
    options: Sequence[str] = ()
    under: Sequence[str] = ()


async def doctor(folder: Path, broken: Broken, *more: str) -> Done:
    """Run `taskqueue doctor` in `folder`, as a process of its own."""
    arguments = (*broken.flags, "doctor", *broken.options, *more)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    process = (
        await started_under(broken.under, *arguments, cwd=folder, env=env)
        if broken.under
        else await forked(*arguments, cwd=folder, env=env)
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, out.decode().strip(), err.decode().strip())


async def started_under(
    under: Sequence[str], *arguments: str, cwd: Path, env: Mapping[str, str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(*under, sys.executable, "-P", "-m", "taskqueue", *arguments),
        cwd=cwd,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def free_port() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return str(server.getsockname()[1])


def database(folder: Path) -> Path:
    """Make the database of the default settings, with one task of the action `resize`."""
    path = folder / "data/tasks.db"
    path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        runner.migrate(db)
        db.execute("PRAGMA journal_mode = WAL")
    path.chmod(0o600)
    with Client(f"sqlite:///{path}") as client:
        client.enqueue("resize", url="a.png")
    return path


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, values)


# --- the set-ups --------------------------------------------------------------------------------


@contextmanager
def port_in_use(_: Path) -> Iterator[Broken]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield Broken(flags=("--port", str(server.getsockname()[1])))


@contextmanager
def folder_not_writable(folder: Path) -> Iterator[Broken]:
    database(folder)
    if os.geteuid() == 0:  # whom no mode keeps from writing
        remount = 'mount --bind data data && mount -o remount,ro,bind data && exec "$@"'
        yield Broken(under=("unshare", "--mount", "sh", "-c", remount, "sh"))
        return
    (folder / "data").chmod(0o500)
    yield Broken()
    (folder / "data").chmod(0o700)


@contextmanager
def file_open_to_others(folder: Path) -> Iterator[Broken]:
    database(folder).chmod(0o644)
    yield Broken()


@contextmanager
def no_database(folder: Path) -> Iterator[Broken]:
    database(folder).write_text("a text, whatever its name says" * 100)
    yield Broken()


@contextmanager
def newer_schema(folder: Path) -> Iterator[Broken]:
    change(database(folder), "PRAGMA user_version = 99")
    yield Broken()


@contextmanager
def older_schema(folder: Path) -> Iterator[Broken]:
    with closing(sqlite3.connect(folder / "old.db")) as db:
        runner.migrate(db, runner.SQLITE_STEPS[:3])
    yield Broken(flags=("--database", "old.db"))


@contextmanager
def app_not_importable(folder: Path) -> Iterator[Broken]:
    (folder / "broken.py").write_text("import no_such_library\n")
    yield Broken(flags=("--app", "broken:app"))


@contextmanager
def action_without_handler(folder: Path) -> Iterator[Broken]:
    (folder / "jobs.py").write_text(JOBS.read_text())
    with Client(f"sqlite:///{database(folder)}") as client:
        client.enqueue("forgotten")
    yield Broken(flags=("--app", "jobs:app"))


@asynccontextmanager
async def lock_of_another(folder: Path) -> AsyncIterator[Broken]:
    async with ForkedService(folder) as service:
        assert service.pid
        yield Broken()


@contextmanager
def disk_nearly_full(_: Path) -> Iterator[Broken]:
    yield Broken(options=("--min-free-mb", str(10**9)))


@contextmanager
def clock_behind(folder: Path) -> Iterator[Broken]:
    change(database(folder), "UPDATE tasks SET created_at = ?", time.time() + HOUR_S)
    yield Broken()


@contextmanager
def unknown_and_wrong_settings(folder: Path) -> Iterator[Broken]:
    (folder / "taskqueue.toml").write_text('prot = 80\nslots = "many"\n')
    yield Broken()


@contextmanager
def forgetful_disk(_: Path) -> Iterator[Broken]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Broken(flags=("--database", f"{folder}/tasks.db"))


Setup = Callable[[Path], Any]

SETUPS: tuple[tuple[Setup, Finding], ...] = (
    (port_in_use, problem("port", "another program listens there", "choose another --port")),
    (folder_not_writable, problem("folder", "cannot be written", "mount it writable")),
    (file_open_to_others, warning("permissions", "(mode 0644)", "chmod 600 ")),
    (no_database, problem("database", "file is not a database", "restore a backup")),
    (newer_schema, problem("database", "its schema has version 99", "upgrade taskqueue")),
    (older_schema, warning("database", "its schema has version 3", "migrate")),
    (app_not_importable, problem("app", "no_such_library", "look at what its import says")),
    (action_without_handler, problem("actions", "forgotten (1)", "add their handlers")),
    (lock_of_another, problem("lock", "holds the database, but no service", "(kill ")),
    (disk_nearly_full, problem("space", "MB are free", "make room")),
    (clock_behind, problem("clock", "s in the future", "set the clock")),
    (unknown_and_wrong_settings, problem("settings", "did you mean port?", "correct it")),
    (forgetful_disk, problem("sync", "is on tmpfs, in memory", "choose a file on a disk")),
)


@pytest.mark.parametrize(("setup", "expected"), SETUPS, ids=[each[0].__name__ for each in SETUPS])
async def test_what_is_broken_is_found_and_explained(
    tmp_path: Path, setup: Setup, expected: Finding
) -> None:
    if setup is forgetful_disk and kind_of(Path("/dev/shm")) != "tmpfs":
        pytest.skip("/dev/shm is no tmpfs here")
    async with AsyncExitStack() as stack:
        made = setup(tmp_path)
        broken: Broken = (
            await stack.enter_async_context(made)
            if isinstance(made, AbstractAsyncContextManager)
            else stack.enter_context(made)
        )
        if "--port" not in broken.flags and expected.check != "settings":
            broken = Broken(
                flags=("--port", free_port(), *broken.flags),
                options=broken.options,
                under=broken.under,
            )

        as_json = await doctor(tmp_path, broken, "--json")
        as_text = await doctor(tmp_path, broken)

    found = msgspec.json.decode(as_json.out)["findings"]
    [finding] = [each for each in found if expected.says in each["says"]]
    assert (finding["check"], finding["level"]) == (expected.check, expected.level), found
    assert expected.advice is not None
    assert expected.advice in finding["advice"]
    is_healthy = all(each["level"] != "problem" for each in found)
    assert (as_json.code, as_text.code) == (int(not is_healthy),) * 2
    assert not (expected.level == "problem" and is_healthy)
    assert f"{expected.level.ljust(7)}  {expected.check}: " in as_text.out
    assert expected.says in as_text.out
    assert "Traceback" not in as_text.err + as_json.err


async def test_a_service_that_runs_is_healthy_and_its_settings_are_named_with_their_sources(
    tmp_path: Path,
) -> None:
    (tmp_path / "jobs.py").write_text(JOBS.read_text())
    (tmp_path / "taskqueue.toml").write_text('app = "jobs:app"\nslots = 3\n')
    env = {"TASKQUEUE_LEASE_S": "20s"}
    async with ForkedService(tmp_path, env=env) as service:
        port = service.url.rpartition(":")[2]
        with Client(service.url) as client:
            client.enqueue("nap", seconds=600)
        under = ("env", "TASKQUEUE_LEASE_S=20s", "TASKQUEUE_TOKEN=secret")

        done = await doctor(tmp_path, Broken(flags=("--port", port), under=under), "--json")

    report = msgspec.json.decode(done.out)
    settings = {each["name"]: (each["value"], each["given_as"]) for each in report["settings"]}
    not_ok = [each for each in report["findings"] if each["level"] != "ok"]
    assert [each for each in not_ok if each["check"] != "sync"] == []  # where tests run on tmpfs
    assert f"process {service.pid} (" in done.out
    assert settings["port"] == (port, "--port")
    assert settings["lease_s"] == ("20s", "TASKQUEUE_LEASE_S")
    assert settings["slots"] == ("3", "slots in taskqueue.toml")
    assert settings["drain_s"] == ("30s", None)
    assert settings["token"] == ("***", "TASKQUEUE_TOKEN")
    assert "secret" not in done.out


async def test_a_file_where_the_folder_should_be_is_found(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    done = await taskqueue("--port", "0", "--database", str(tmp_path / "data/tasks.db"), "doctor")

    assert done.code == 1
    assert "problem  database: storage unavailable: " in done.out
    assert "Not a directory" in done.out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
async def test_a_file_of_another_user_is_found(tmp_path: Path) -> None:
    path = database(tmp_path)
    os.chown(path, 65_534, 65_534)

    done = await taskqueue("--port", "0", "--database", str(path), "doctor")

    assert f"warning  permissions: {path} belongs to user 65534" in done.out


async def test_a_lock_file_that_a_killed_service_has_left_is_no_fault(tmp_path: Path) -> None:
    async with ForkedService(tmp_path) as service:
        service.kill()
    path = tmp_path / "data/tasks.db"
    assert path.with_name("tasks.db.lock").exists()

    done = await taskqueue("--port", "0", "--database", str(path), "doctor")

    assert "ok       lock: no process holds the database" in done.out
