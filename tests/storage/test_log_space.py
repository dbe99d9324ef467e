"""The log of a file has room before commits need it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from taskqueue.storage.sqlite.disk import log_space
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.disk.log_space import LONGEST_BYTES, STEP_BYTES, add_room
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import add


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _add_room(path: Path, db: sqlite3.Connection) -> int:
    return add_room(FileWatch(path).with_log(), _log(path), db)


def _written(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.execute("CREATE TABLE t (x)")
    return db


@pytest.mark.parametrize("writes_in", ["thread", "process"])
async def test_few_commits_make_the_log_longer(tmp_path: Path, writes_in: str) -> None:
    storage = SQLiteStorage(tmp_path / "tasks.db", writes_in=writes_in)  # type: ignore[arg-type]
    await storage.migrate()
    await storage.open()
    lengths = set()
    for number in range(200):
        await add(storage, f"{number}")
        lengths.add(_log(tmp_path / "tasks.db").stat().st_size)
    assert len(lengths) < 40  # a commit of its own would make it longer each time
    await storage.close()


async def test_room_is_added_up_to_the_longest_log(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path / "tasks.db")
    await storage.migrate()
    await storage.open()
    for number in range(6):
        await add(storage, f"{number}", payload=f'"{"x" * 2_000_000}"')
        await add(storage, f"small-{number}")
    assert STEP_BYTES < _log(tmp_path / "tasks.db").stat().st_size <= LONGEST_BYTES
    await storage.close()


def test_what_was_committed_before_and_after_is_found_by_another_connection(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(_written(path)) as db:
        db.execute("INSERT INTO t VALUES (1)")
        before = _log(path).stat().st_size
        assert _add_room(path, db) == before + STEP_BYTES == _log(path).stat().st_size
        db.execute("INSERT INTO t VALUES (2)")
        assert _log(path).stat().st_size == before + STEP_BYTES
        # As after a power cut: another file with the same bytes, and no index of the log.
        for name in (path, _log(path)):
            (tmp_path / f"copy-{name.name}").write_bytes(name.read_bytes())
    with closing(sqlite3.connect(tmp_path / "copy-some.db")) as copy:
        assert copy.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_log_that_has_only_room_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(_written(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert _add_room(path, db) == STEP_BYTES
        for name in (path, _log(path)):
            (tmp_path / f"copy-{name.name}").write_bytes(name.read_bytes())
        db.execute("INSERT INTO t VALUES (1)")
        assert _log(path).stat().st_size == STEP_BYTES
    with closing(sqlite3.connect(tmp_path / "copy-some.db")) as copy:
        assert copy.execute("SELECT x FROM t").fetchall() == []


def test_no_room_is_added_while_another_connection_writes(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(_written(path)) as db, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO t VALUES (1)")
        length = _log(path).stat().st_size
        db.execute("PRAGMA busy_timeout = 0").fetchall()
        assert _add_room(path, db) == length == _log(path).stat().st_size


def test_a_disk_without_room_keeps_the_log_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.db"
    with closing(_written(path)) as db:
        length = _log(path).stat().st_size
        pwrite = os.pwrite

        def filling(descriptor: int, data: bytes, at: int) -> int:
            pwrite(descriptor, data[:4096], at)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "pwrite", filling)
        assert _add_room(path, db) == length == _log(path).stat().st_size
        db.execute("INSERT INTO t VALUES (1)")
        assert db.execute("SELECT x FROM t").fetchall() == [(1,)]


def test_nothing_is_added_to_the_log_of_another_file(tmp_path: Path) -> None:
    path, other = tmp_path / "some.db", tmp_path / "other.db"
    with closing(_written(path)) as db, closing(_written(other)):
        length = _log(other).stat().st_size
        watch = FileWatch(path).with_log()
        assert add_room(watch, _log(other), db) == length == _log(other).stat().st_size


def test_a_disk_with_little_room_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.db"
    with closing(_written(path)) as db:
        length = _log(path).stat().st_size
        monkeypatch.setattr(log_space, "LEAST_FREE_BYTES", 2**60)
        assert _add_room(path, db) == length == _log(path).stat().st_size


def test_a_log_that_is_long_enough_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(_written(path)) as db, closing(sqlite3.connect(path)) as other:
        os.truncate(_log(path), LONGEST_BYTES)
        other.execute("BEGIN IMMEDIATE")  # so whoever asked to write would wait
        db.execute("PRAGMA busy_timeout = 60000").fetchall()
        assert _add_room(path, db) == LONGEST_BYTES


def test_a_connection_that_cannot_write_for_another_reason_says_so(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(_written(path)) as db:
        db.execute("PRAGMA query_only = 1").fetchall()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):  # not a lock that passes
            _add_room(path, db)
