"""Finds out whether a pooler stands between this process and the server.

One in transaction mode may give each transaction another session: then there are no notices, no
locks of a session and no statements that stay prepared.

A server tells a client the number of the process that serves it, and a pooler tells a number of its
own. Sessions are told apart by the numbers of their processes: two clients of a server never share
one, and a client that keeps its session keeps its number.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.examination import Route
from taskqueue.storage.postgres.connections import Connection, connect, drop, transaction
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import translated

ROUNDS = 20
"""How often it is tried to see a session change: others may use the pooler as well."""

ANSWER_S = 5.0
"""How long a pooler may take to lend a session: it may have one only, or be busy."""

_PID = "SELECT pg_backend_pid()"
_LOCK = "SELECT pg_advisory_xact_lock($1)"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1)"


async def route_to(database: PostgresDatabase) -> Route:
    """Return how the URL of `database` leads to its server.

    A pooler that lends no second session in time is taken for one in transaction mode: a busy one
    may be, and what is done for such a one works on every route.

    Raises:
        StorageUnavailable: the server cannot be reached, refuses, or does not answer in time.
    """
    with translated(str(database)):
        async with _connected(database) as one:
            async with asyncio.timeout(ANSWER_S):
                number = await _session_of(one)
            if number == one.get_server_pid():
                return Route.DIRECT
            try:
                async with asyncio.timeout(ANSWER_S), _connected(database) as two:
                    keeps = await _keep_sessions(one, number, two)
            except TimeoutError:
                keeps = False
    return Route.SESSION if keeps else Route.TRANSACTION


async def _keep_sessions(one: Connection, number: int, two: Connection) -> bool:
    """Tell whether two clients of a pooler keep their sessions; `number` is that of the first."""
    for _ in range(ROUNDS):
        async with transaction(two):
            if await two.fetchval(_PID) == number:
                return False
            if await _session_of(one) != number:  # while the second may have got it
                return False
    return True


async def _session_of(connection: Connection) -> int:
    async with transaction(connection):
        return int(await connection.fetchval(_PID))


@asynccontextmanager
async def _connected(database: PostgresDatabase) -> AsyncIterator[Connection]:
    connection = await connect(database, prepares=False)  # which works on every route
    try:
        yield connection
    finally:
        drop(connection)


async def with_route(database: PostgresDatabase) -> PostgresDatabase:
    """Return `database`, with its URL saying so if a pooler in transaction mode stands there.

    What the URL says already is taken as it is.

    Raises:
        StorageUnavailable: the server cannot be reached or refuses.
    """
    if database.says_pooler is None and await route_to(database) is Route.TRANSACTION:
        return database.behind_pooler
    return database


async def require_direct(database: PostgresDatabase) -> None:
    """Make sure that the direct URL of `database`, if it has one, can be used for what it is for.

    Raises:
        StorageUnavailable: it leads through a pooler in transaction mode, to another database or
            to another server, or nowhere.
    """
    direct = database.direct
    if direct is database:
        return
    if (await with_route(direct)).has_pooler:
        raise StorageUnavailable(
            f"database_direct ({direct}) leads through a pooler in transaction mode; give the URL "
            "of the server itself, or leave it out"
        )
    with translated(str(direct)):
        if not await _is_same(direct, database):
            raise StorageUnavailable(
                f"database_direct ({direct}) leads to another database than {database}"
            )


async def _is_same(here: PostgresDatabase, there: PostgresDatabase) -> bool:
    """Tell whether a lock that is held in one database is held in the other as well."""
    key = secrets.randbits(62)
    async with (
        _connected(here) as holder,
        transaction(holder),
        _connected(there) as other,
        transaction(other),
    ):
        await holder.fetchval(_LOCK, key)
        return not await other.fetchval(_TRY_LOCK, key)
