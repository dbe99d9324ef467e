# ruff: noqa: ASYNC221, ASYNC240  a test may wait for its own disk and processes
"""Where a database is: one process for each file, whatever path leads to it, and private files."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import connect

import pytest

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.disk.lock import FileLock
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import add, new_task

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A path whose folder is still to be made."""
    return tmp_path / "data" / "tasks.db"


def python(
    code: str, *arguments: str, under: Sequence[str] = ()
) -> "subprocess.CompletedProcess[str]":
    """Run a program that finds the modules that this process finds."""
    return subprocess.run(
        [*under, sys.executable, "-c", code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


async def opened(path: Path) -> SQLiteStorage:
    storage = SQLiteStorage(path, busy_timeout_s=0.0)
    await storage.migrate()
    await storage.open()
    return storage


# --- one process for each file --------------------------------------------------------------------


def symbolic(path: Path, other: Path) -> None:
    other.symlink_to(path)


def symbolic_folder(path: Path, other: Path) -> None:
    other.parent.rmdir()
    other.parent.symlink_to(path.parent)


def hard(path: Path, other: Path) -> None:
    other.hardlink_to(path)


@pytest.mark.parametrize("link", [symbolic, symbolic_folder, hard], ids=lambda link: link.__name__)
async def test_a_file_is_locked_whatever_path_leads_to_it(
    path: Path, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    storage = await opened(path)
    other = tmp_path / "elsewhere" / path.name
    other.parent.mkdir()
    link(path, other)
    second = SQLiteStorage(other, busy_timeout_s=0.0)

    for verb in (second.open, second.migrate):
        with pytest.raises(StorageUnavailable, match="another taskqueue process holds"):
            await verb()

    await add(storage, "a")
    await storage.close()
    await second.open()
    assert sum((await second.counts()).values()) == 1
    await second.close()


OPEN = """
import asyncio, sys
from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.engine import SQLiteStorage
try:
    asyncio.run(SQLiteStorage(sys.argv[1], busy_timeout_s=0.0).open())
except StorageUnavailable as error:
    sys.exit(error.reason)
"""


async def test_a_file_is_locked_under_the_name_of_a_bind_mount(path: Path, tmp_path: Path) -> None:
    storage = await opened(path)
    other = tmp_path / "bound.db"
    other.touch()
    mount = f"mount --bind {path} {other}"

    if subprocess.run(["unshare", "--mount", "sh", "-c", mount], check=False).returncode:
        pytest.skip("`mount --bind` does not work here: it takes root")
    under = ("unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh")
    second = python(OPEN, str(other), under=under)

    advice = "stop it, or use another database"
    assert second.stderr == f"another taskqueue process holds {other}; {advice}\n"
    await storage.close()


USE_AND_CLOSE = """
import sqlite3, sys
user = sqlite3.connect(sys.argv[1])
user.execute("SELECT * FROM tasks").fetchall()
user.close()
"""


async def test_the_locks_of_an_open_connection_outlast_those_who_look_at_the_file(
    path: Path,
) -> None:
    await (await opened(path)).close()
    with closing(connect(path)) as user:
        user.execute("SELECT * FROM tasks").fetchall()  # takes SQLite's lock of a reader

        for _ in range(2):
            await (await opened(path)).close()
        python(USE_AND_CLOSE, str(path))  # the last connection removes the log, if it may

        assert path.with_name("tasks.db-wal").exists()


async def test_a_file_that_was_deleted_does_not_stay_open(path: Path) -> None:
    storage = await opened(path)
    path.unlink()

    await storage.close()

    targets = [
        str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()
    ]
    assert [target for target in targets if target.startswith(str(path))] == []


# --- private files --------------------------------------------------------------------------------


@contextmanager
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {each.name: oct(stat.S_IMODE(each.stat().st_mode)) for each in folder.iterdir()}


async def test_what_is_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "parent" / "data" / "tasks.db"

    with usual_umask():
        storage = await opened(path)
        await storage.insert([new_task("secret")], now=1.0)

    private = oct(0o600)
    assert modes(tmp_path) == {"parent": oct(0o700)}
    assert modes(path.parent.parent) == {"data": oct(0o700)}
    assert modes(path.parent) == {
        "tasks.db": private,
        "tasks.db-shm": private,
        "tasks.db-wal": private,
        "tasks.db.lock": private,
    }
    await storage.close()


async def test_a_folder_and_a_file_that_were_there_keep_their_modes(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.parent.chmod(0o755)
    path.touch()
    path.chmod(0o640)

    await (await opened(path)).close()

    assert modes(path.parent.parent)["data"] == oct(0o755)
    assert modes(path.parent)["tasks.db"] == oct(0o640)


HOLD = """
import fcntl, os, sys
os.setuid(int(sys.argv[2]))
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.mark.parametrize("name", ["tasks.db", "tasks.db-shm", "tasks.db-wal", "tasks.db.lock"])
async def test_another_user_can_neither_read_nor_lock_the_files(name: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("acting as another user takes root")
    with tempfile.TemporaryDirectory() as folder:  # unlike those of pytest, others may enter it
        Path(folder).chmod(0o755)
        storage = await opened(Path(folder) / "tasks.db")

        other = python(HOLD, f"{folder}/{name}", str(NOBODY))

        assert "PermissionError" in other.stderr
        await storage.close()


async def test_a_lock_file_of_an_earlier_release_becomes_private(path: Path) -> None:
    path.parent.mkdir()
    lock = path.with_name("tasks.db.lock")
    lock.touch()
    lock.chmod(0o644)

    await (await opened(path)).close()

    assert modes(path.parent)["tasks.db.lock"] == oct(0o600)


# --- what is no file ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tasks.db", "tasks.db-wal", "tasks.db-shm", "tasks.db.lock"])
async def test_a_fifo_in_the_place_of_a_file_is_refused_and_waits_for_nobody(
    path: Path, name: str
) -> None:
    path.parent.mkdir()
    os.mkfifo(path.with_name(name))
    storage = SQLiteStorage(path)

    for verb in (storage.migrate, storage.open):
        with pytest.raises(StorageUnavailable, match=f"{name} is not a regular file|No such file"):
            await verb()
    with pytest.raises(StorageUnavailable, match=f"{name} is not a regular file"):
        await FileLock.take(path, within_s=0.0)


async def test_a_loop_of_symbolic_links_is_unavailable(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)

    for verb in (SQLiteStorage(path).migrate, SQLiteStorage(path).open):
        with pytest.raises(StorageUnavailable, match="Too many levels of symbolic links"):
            await verb()
