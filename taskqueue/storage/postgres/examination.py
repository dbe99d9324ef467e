"""Finds out all that `ServerExamination` has."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from taskqueue.errors import StorageError, StorageUnavailable
from taskqueue.storage.examination import (
    Contents,
    OpenTransaction,
    Route,
    Server,
    ServerExamination,
)
from taskqueue.storage.postgres import poolers
from taskqueue.storage.postgres.connections import SQL, connect, drop, transaction
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import translated
from taskqueue.storage.postgres.schema import runner

_FACTS = """
SELECT current_setting('server_version'),
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean,
    current_setting('fsync')::boolean,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    extract(epoch FROM clock_timestamp())::float8
"""

# Of other users nothing but the process is shown, unless this one may see all.
_OLDEST = """
SELECT pid, coalesce(application_name, ''),
    extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    AND backend_type = 'client backend'
ORDER BY xact_start
LIMIT 1
"""
_WAITING = "SELECT action, count(*) FROM taskqueue.tasks WHERE processed_at IS NULL GROUP BY action"


def examine(database: PostgresDatabase) -> ServerExamination:
    """Find out all that `ServerExamination` has; writes nothing."""
    # On a thread of its own: the caller may be on a loop, and waits for the answer.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(_examine(database))).result()


async def _examine(database: PostgresDatabase) -> ServerExamination:
    server = await _server(database)
    has_direct = database.direct is not database
    return ServerExamination(
        name=str(database),
        server=server,
        says_pooler=database.says_pooler,
        direct=str(database.direct) if has_direct else None,
        direct_fault=None if isinstance(server, StorageError) else await _direct_fault(database),
    )


async def _direct_fault(database: PostgresDatabase) -> str | None:
    try:
        await poolers.require_direct(database)
    except StorageUnavailable as error:
        return error.reason
    return None


async def _server(database: PostgresDatabase) -> Server | StorageError:
    try:
        route = await poolers.route_to(database)
        connection = await connect(database, prepares=False)
        try:
            with translated(str(database)):
                async with transaction(connection):
                    return await _read(connection, str(database), route)
        finally:
            drop(connection)
    except StorageError as error:
        return error


async def _read(db: SQL, where: str, route: Route) -> Server:
    [facts] = await db.fetch(_FACTS)
    version, is_read_only, syncs, most, connections, now = facts
    oldest = await db.fetchrow(_OLDEST)
    return Server(
        version=version,
        route=route,
        is_read_only=is_read_only,
        syncs=syncs,
        max_connections=most,
        connections=connections,
        oldest=None if oldest is None else _transaction(*oldest),
        ahead_s=now - time.time(),
        contents=await _contents(db, where),
    )


def _transaction(pid: int, program: str, open_s: float) -> OpenTransaction:
    return OpenTransaction(pid=pid, program=program, open_s=open_s)


async def _contents(db: SQL, where: str) -> Contents | StorageError:
    try:
        version = await runner.version_of(db, where)
        is_readable = 0 < version <= runner.POSTGRES_VERSION
        waiting = await db.fetch(_WAITING) if is_readable else ()
    except StorageError as error:
        return error
    return Contents(
        version=version,
        wanted=runner.POSTGRES_VERSION,
        waiting=dict(waiting),
        latest_at=None,
    )
