# ruff: noqa: ASYNC240  a test may wait for its own disk
"""The process that writes: it does as it is told, ends when it shall, and takes nothing along."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
from msgspec import ValidationError

import taskqueue
from taskqueue.errors import SchemaMismatch, StorageCorrupt, StorageUnavailable
from taskqueue.process import origin
from taskqueue.rules.tasks import NewTask, Status
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.connections import opener, spawn
from taskqueue.storage.sqlite.connections.pickling import NotSent
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.spawn import SpawnedAhead
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.errors import WriterLost
from taskqueue.testing.contract.handler_sql import HandlerSQLContract
from taskqueue.testing.contract.steps import DONE, add, claim, ids, new_task, settle
from taskqueue.testing.process import children_of
from tests.storage.remote_work import (
    begun,
    commit_when,
    execute,
    fail,
    fail_oddly,
    give_back,
    length,
    nothing,
    refuse,
    wait_for,
    where,
)

ROOT = Path(taskqueue.__file__).parent.parent
PATIENCE_S = 30.0
MUCH = "x" * (4 << 20)  # more than a socket takes at once


class Text(str):
    """Text of a type that only this process knows."""

    __slots__ = ()


class Unmakeable:
    """Can be pickled, and not be made again."""

    def __reduce__(self) -> tuple[object, ...]:
        return int, ("no number",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """The file that lets `commit_when` commit."""
    return tmp_path / "go"


async def opened(path: Path) -> ProcessConnection:
    return await ProcessConnection.open(path, "rwc", busy_timeout_s=0.0, set_up=nothing)


@pytest.fixture
async def connection(path: Path) -> AsyncIterator[ProcessConnection]:
    connection = await opened(path)
    yield connection
    await connection.close()


async def there(file: Path) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not file.exists():  # noqa: ASYNC110  another process makes it
            await asyncio.sleep(0.001)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [name for (name,) in db.execute("SELECT name FROM sqlite_master")]


class Heard:
    """Is called once, from whatever thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        assert await asyncio.to_thread(self._event.wait, PATIENCE_S)

    @property
    def yet(self) -> bool:
        return self._event.is_set()


# --- what it is told ------------------------------------------------------------------------------


async def test_functions_run_in_a_process_of_the_connections_own(
    connection: ProcessConnection,
) -> None:
    (row, first), (_, second) = await asyncio.gather(connection.run(where), connection.run(where))

    assert row == (42,)
    assert first == second == connection.pid != os.getpid()


async def test_functions_run_in_the_order_of_the_calls_also_if_nobody_waits(
    connection: ProcessConnection,
) -> None:
    connection.run(partial(execute, "CREATE TABLE t (x)")).cancel()
    connection.run(partial(execute, "INSERT INTO t VALUES (1)")).cancel()

    assert await connection.run(partial(execute, "SELECT x FROM t")) == [(1,)]


async def test_much_goes_there_and_comes_back(connection: ProcessConnection) -> None:
    one, other = await asyncio.gather(
        connection.run(partial(give_back, MUCH)), connection.run(partial(give_back, [MUCH, 1]))
    )

    assert one == MUCH
    assert other == [MUCH, 1]


async def test_what_is_eight_times_as_long_takes_the_loop_about_eight_times_as_long(
    connection: ProcessConnection,
) -> None:
    async def sent(size: int) -> float:
        began = time.thread_time()
        assert await connection.run(partial(length, bytes(size))) == size
        return time.thread_time() - began

    short = await sent(8 << 20)

    assert await sent(64 << 20) < 8 * 4 * short


async def test_text_of_a_users_own_type_travels_as_text(connection: ProcessConnection) -> None:
    answer = await connection.run(partial(give_back, Text("a")))

    assert answer == "a"
    assert type(answer) is str


@pytest.mark.parametrize(
    "error",
    [
        SchemaMismatch("tasks.db", 3, 4),
        StorageCorrupt("there", "damaged"),
        StorageUnavailable("full"),
        ValueError("a", 1),
    ],
)
async def test_an_error_comes_back_with_all_its_data(
    connection: ProcessConnection, error: Exception
) -> None:
    with pytest.raises(type(error)) as raised:
        await connection.run(partial(fail, error))

    assert (str(raised.value), vars(raised.value)) == (str(error), vars(error))
    assert (await connection.run(where))[1] == connection.pid  # which goes on


@pytest.mark.parametrize("stranger", [lambda: None, Unmakeable()])
async def test_what_cannot_be_sent_is_refused_and_the_rest_goes_on(
    connection: ProcessConnection, stranger: object
) -> None:
    refused = connection.run(partial(give_back, stranger))
    _, pid = await connection.run(where)

    with pytest.raises(NotSent):
        await refused
    assert pid == connection.pid


async def test_an_answer_that_cannot_be_understood_is_an_error_of_its_asker(
    connection: ProcessConnection,
) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        await connection.run(fail_oddly)

    assert (await connection.run(where))[1] == connection.pid


async def test_an_error_of_sqlite_keeps_its_code(connection: ProcessConnection) -> None:
    with pytest.raises(sqlite3.OperationalError) as raised:
        await connection.run(partial(execute, "no SQL"))

    assert raised.value.sqlite_errorcode == sqlite3.SQLITE_ERROR


async def test_a_connection_that_cannot_be_set_up_leaves_no_process(path: Path) -> None:
    with pytest.raises(sqlite3.DatabaseError, match="not today"):
        await ProcessConnection.open(path, "rwc", busy_timeout_s=0.0, set_up=refuse)

    with pytest.raises(StorageUnavailable):
        await ProcessConnection.open(path / "no folder", "rw", busy_timeout_s=0.0, set_up=nothing)


# --- its end --------------------------------------------------------------------------------------


async def test_closing_finishes_what_was_asked_for(path: Path, go: Path) -> None:
    connection = await opened(path)
    committing = connection.run(partial(commit_when, go))
    after = connection.run(partial(execute, "INSERT INTO written VALUES (1)"))
    closing_ = asyncio.ensure_future(connection.close())
    await there(begun(go))

    go.touch()
    await closing_

    assert committing.done()
    assert after.done()
    assert not lives(connection.pid)
    assert tables(path) == ["written"]
    with pytest.raises(StorageUnavailable, match="closed"):
        connection.run(where)
    await connection.close()  # harmless


async def test_it_ends_though_somebody_who_was_forked_from_us_lives_on(path: Path) -> None:
    connection = await opened(path)
    theirs = os.dup(connection._pipe._end.fileno())  # as a fork has it

    async with asyncio.timeout(PATIENCE_S):
        await connection.close()

    assert not lives(connection.pid)
    os.close(theirs)


async def test_whoever_gives_up_closing_lets_it_close_all_the_same(path: Path) -> None:
    connection = await opened(path)
    defects: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))
    closing_ = asyncio.ensure_future(connection.close())
    await asyncio.sleep(0)  # it waits, for what is in hand or for the end

    closing_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing_
    for thread in [
        each for each in threading.enumerate() if each.name == f"end-of-{connection.pid}"
    ]:
        await asyncio.to_thread(thread.join, PATIENCE_S)
    await asyncio.sleep(0)  # in this turn it is told

    assert not lives(connection.pid)
    assert defects == []


async def test_a_close_that_is_given_up_behind_a_commit_ends_the_process_after_it(
    path: Path, go: Path
) -> None:
    connection = await opened(path)
    committing = connection.run(partial(commit_when, go))
    await there(begun(go))
    closing_ = asyncio.ensure_future(connection.close())
    await asyncio.sleep(0)  # it waits for the commit

    closing_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing_
    with pytest.raises(StorageUnavailable):
        await committing
    ends = [each for each in threading.enumerate() if each.name == f"end-of-{connection.pid}"]
    go.touch()
    for thread in ends:
        await asyncio.to_thread(thread.join, PATIENCE_S)

    assert not lives(connection.pid)
    assert tables(path) == ["written"]


async def test_abandoning_ends_with_the_commit_in_hand(path: Path, go: Path) -> None:
    connection = await opened(path)
    committing = connection.run(partial(commit_when, go))
    waiting = connection.run(partial(execute, "CREATE TABLE never (x)"))
    await there(begun(go))
    over = Heard()

    connection.abandon(then=over)

    for answer in (committing, waiting):
        with pytest.raises(StorageUnavailable):
            await answer
    assert lives(connection.pid)
    assert not over.yet
    go.touch()
    await over.wait()
    assert not lives(connection.pid)
    assert tables(path) == ["written"]


def test_it_can_be_abandoned_when_its_loop_is_gone(path: Path) -> None:
    async def leave_it_behind() -> ProcessConnection:
        connection = await opened(path)
        connection.run(where)
        return connection

    connection = asyncio.run(leave_it_behind())
    over = threading.Event()

    connection.abandon(then=over.set)

    assert over.wait(PATIENCE_S)
    assert not lives(connection.pid)


async def test_when_it_is_killed_whoever_waits_hears_why(path: Path, go: Path) -> None:
    connection = await opened(path)
    committing = connection.run(partial(commit_when, go))
    waiting = connection.run(where)
    await there(begun(go))

    os.kill(connection.pid, signal.SIGKILL)

    for answer in (committing, waiting, connection.run(where)):
        with pytest.raises(WriterLost, match="ended"):
            await answer
    with pytest.raises(WriterLost, match="by signal 9"):
        await connection.run(where)
    assert tables(path) == []
    over = Heard()
    connection.abandon(then=over)
    await over.wait()


IMPORTING = """
import asyncio, pathlib, sys
sys.path += [pathlib.Path("/no/text"), sys.argv[1]]
from taskqueue.storage.sqlite.engine import SQLiteStorage

async def main():
    storage = SQLiteStorage(sys.argv[2], writes_in="process")
    await storage.migrate()
    await storage.open()
    await storage.probe()
    await storage.close()

asyncio.run(main())
"""


async def test_it_finds_the_standard_library_where_we_do(path: Path, tmp_path: Path) -> None:
    (packages := tmp_path / "packages").mkdir()
    (packages / "taskqueue").symlink_to(ROOT / "taskqueue")
    (packages / "secrets.py").write_text("raise ImportError('of another')")

    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORTING, str(packages), str(path), cwd=tmp_path
    )

    assert await service.wait() == 0


def test_it_starts_without_the_libraries_of_the_service() -> None:
    imports, _, _ = spawn.COMMAND.format(path=sys.path, descriptor=0).rpartition("main(")
    heavy = ("asyncio", "aiohttp", "structlog")
    program = f"{imports}\nprint([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-P", "-S", "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


@pytest.mark.parametrize("executable", ["", None])
async def test_without_a_python_there_is_no_process(
    path: Path, monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    monkeypatch.setattr(origin, "PYTHON", executable)

    with pytest.raises(StorageUnavailable, match="no process can be started to write: no Python"):
        await opened(path)


async def test_one_that_was_started_before_is_the_first_to_write_and_the_next_is_new(
    path: Path,
) -> None:
    spawn = SpawnedAhead()
    [waiting] = children_of(os.getpid())
    storage = SQLiteStorage(path, writes_in="process", spawn=spawn)
    await storage.migrate()

    pids = []
    for task_id in ("one", "two"):
        await storage.open()
        pids += children_of(os.getpid())
        await add(storage, task_id)
        await storage.close()

    assert pids[0] == waiting
    assert pids[1] != waiting
    assert children_of(os.getpid()) == []


async def test_one_that_has_ended_before_it_was_needed_is_replaced(path: Path) -> None:
    spawn = SpawnedAhead()
    [waiting] = children_of(os.getpid())
    os.kill(waiting, signal.SIGKILL)
    storage = SQLiteStorage(path, writes_in="process", spawn=spawn)
    await storage.migrate()

    with pytest.raises(WriterLost):
        await storage.open()
    await storage.open()
    await add(storage, "one")
    await storage.close()


async def test_one_that_nobody_has_taken_ends() -> None:
    with SpawnedAhead():
        [waiting] = children_of(os.getpid())

    assert not lives(waiting)


async def test_one_that_could_not_be_started_before_is_started_when_it_is_needed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr(origin, "PYTHON", "")
        spawn = SpawnedAhead()

    connection = await ProcessConnection.open(
        path, "rwc", busy_timeout_s=0.0, set_up=nothing, spawn=spawn
    )

    assert (await connection.run(where))[1] == connection.pid
    await connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_it_leaves_it_to_the_service_when_to_stop(
    connection: ProcessConnection, number: signal.Signals
) -> None:
    os.kill(connection.pid, number)

    assert (await connection.run(where))[1] == connection.pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_all_does_not_end_it_while_it_starts(
    path: Path, number: signal.Signals
) -> None:
    opening = asyncio.ensure_future(opened(path))
    await asyncio.sleep(0)  # it has been started when this is back
    [starting] = children_of(os.getpid())

    os.kill(starting, number)

    connection = await opening
    assert connection.pid == starting
    await connection.close()


# --- the storage around it ------------------------------------------------------------------------


MISTAKEN = (
    "test_a_statement_that_fails_leaves_nothing_and_the_lease",
    "test_a_statement_that_fails_disturbs_no_neighbour",
    "test_a_dry_run_that_fails_leaves_nothing_and_disturbs_no_neighbour",
)


def storage_at(path: Path, *, busy_timeout_s: float = 1.0) -> SQLiteStorage:
    return SQLiteStorage(path, writes_in="process", busy_timeout_s=busy_timeout_s)


async def make(path: Path) -> None:
    storage = storage_at(path)
    await storage.migrate()
    await storage.close()


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[SQLiteStorage]:
    made = SQLiteStorage(path)  # with a thread that writes: a process takes longer to start
    await made.migrate()
    await made.close()
    storage = storage_at(path)
    await storage.open()
    yield storage
    await storage.close()


class TestTransactions(HandlerSQLContract):
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Have each mistake made in one of the tests of mistakes: each takes a process.

        `test_sqlite` has them all in each of these tests; here their errors cross a pipe.
        """
        if "mistake" not in metafunc.fixturenames:
            super().pytest_generate_tests(metafunc)
            return
        turn = MISTAKEN.index(metafunc.function.__name__)
        mistakes = dict([*self.dialect.mistakes.items()][turn :: len(MISTAKEN)])
        metafunc.parametrize("mistake", mistakes.values(), ids=mistakes)

    @pytest.fixture
    async def storage(self, storage: Storage) -> Storage:
        return storage


@pytest.mark.parametrize(
    ("poison", "error"),
    [
        (new_task("poison", priority=2**70), OverflowError),  # SQLite's integers end at 2**63
        (new_task("poison", payload="\ud800"), UnicodeEncodeError),
        (new_task("poison", action=7), ValidationError),
        (new_task("poison", action=lambda: None), NotSent),
        (new_task("poison", action=Unmakeable()), NotSent),
    ],
)
async def test_what_cannot_be_stored_fails_alone(
    storage: SQLiteStorage, poison: NewTask, error: type[Exception]
) -> None:
    refused, _ = await asyncio.gather(
        storage.insert([poison], now=0.0), add(storage, "a"), return_exceptions=True
    )

    assert type(refused) is error
    assert (await storage.counts())[Status.QUEUED] == 1


async def test_a_cancelled_open_ends_its_process_and_then_gives_up_the_lock(
    path: Path, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(path)
    with monkeypatch.context() as patched:
        patched.setattr(opener, "set_up_afresh", partial(wait_for, go))
        opening = asyncio.ensure_future(storage_at(path).open())
        await there(begun(go))

    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening  # at once: what is cancelled waits for no disk

    other = storage_at(path, busy_timeout_s=PATIENCE_S)
    await other.open()  # although the process was not told to go on
    await other.close()
    assert children_of(os.getpid()) == []


async def test_an_open_for_which_no_process_can_be_started_leaves_no_lock(path: Path) -> None:
    await make(path)

    def fail_to_spawn() -> NoReturn:
        raise StorageUnavailable("no process can be started")

    with pytest.raises(StorageUnavailable, match="no process"):
        await SQLiteStorage(path, writes_in="process", spawn=fail_to_spawn).open()

    other = storage_at(path, busy_timeout_s=PATIENCE_S)
    await other.open()
    await other.close()


async def test_a_storage_whose_writer_was_lost_is_read_and_can_be_opened_again(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a")
    [delivery] = await claim(storage)
    [writer] = children_of(os.getpid())
    os.kill(writer, signal.SIGKILL)

    with pytest.raises(WriterLost):
        await settle(storage, delivery, DONE)
    assert (await storage.counts())[Status.QUEUED] == 1

    await storage.close()
    await storage.open()
    await settle(storage, delivery, DONE)
    await add(storage, "b")
    assert ids(await claim(storage)) == ["b"]
    assert (await storage.counts())[Status.COMPLETED] == 1


HOLDER = """
import asyncio, sys
from functools import partial
from pathlib import Path
from taskqueue.storage.sqlite.engine import SQLiteStorage
from tests.storage.remote_work import commit_when

async def main():
    storage = SQLiteStorage(sys.argv[1], writes_in="process")
    await storage.migrate()
    await storage.open()
    await storage._opened.writer._connection.run(partial(commit_when, Path(sys.argv[2])))

asyncio.run(main())
"""


async def test_a_service_that_is_killed_leaves_the_file_when_its_last_commit_has_ended(
    path: Path, go: Path
) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), str(go), cwd=ROOT
    )
    await there(begun(go))
    holder.kill()
    await holder.wait()

    with pytest.raises(StorageUnavailable, match="another taskqueue process holds"):
        await storage_at(path, busy_timeout_s=0.0).open()
    go.touch()

    storage = storage_at(path, busy_timeout_s=PATIENCE_S)
    await storage.open()
    assert "written" in tables(path)
    await storage.close()
