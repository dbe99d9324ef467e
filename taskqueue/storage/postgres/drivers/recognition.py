"""Tells which driver a user's connection is of, and how to use it."""

from collections.abc import Awaitable
from typing import Any

from taskqueue.foreign import rendering
from taskqueue.storage.postgres.drivers.asyncpg_session import AsyncpgSession
from taskqueue.storage.postgres.drivers.protocol import UserSession
from taskqueue.storage.postgres.drivers.psycopg_session import PsycopgSession

_SYNC = "a connection of psycopg 3, or a Connection or Session of SQLAlchemy on psycopg 3"
_ASYNC = (
    "a connection of asyncpg, an AsyncConnection of psycopg 3, or an AsyncConnection or"
    " AsyncSession of SQLAlchemy on one of these drivers"
)

# SQLAlchemy begins its transaction with the first statement that goes through it.
_BEGIN = "SELECT 1"


def session_of(connection: object) -> UserSession:
    """Return how to use a connection that does not await.

    Raises:
        TypeError: it is of no driver that is supported, or has to be awaited.
    """
    driven = connection
    if _is_of(connection, "sqlalchemy"):
        driven = _driven_by_sqlalchemy(connection)
    if _is_of(driven, "psycopg") and not _is_async(driven):
        return PsycopgSession(driven, is_async=False)
    raise _unsupported(driven, _SYNC, other="enqueue_async")


async def session_of_async(connection: object) -> UserSession:
    """Return how to use a connection that awaits.

    Raises:
        TypeError: it is of no driver that is supported, or cannot be awaited.
    """
    driven = connection
    if _is_of(connection, "sqlalchemy") and _is_async(connection):
        driven = await _driven_by_async_sqlalchemy(connection)
    if _is_of(driven, "asyncpg"):
        return AsyncpgSession(driven)
    if _is_of(driven, "psycopg") and _is_async(driven):
        return PsycopgSession(driven, is_async=True)
    raise _unsupported(driven, _ASYNC, other="enqueue")


def _driven_by_sqlalchemy(connection: Any) -> object:
    if _is_async(connection):
        return connection
    if hasattr(connection, "get_bind"):  # a session
        connection = connection.connection()
    connection.exec_driver_sql(_BEGIN)
    return connection.connection.driver_connection


async def _driven_by_async_sqlalchemy(connection: Any) -> object:
    if hasattr(connection, "get_bind"):
        connection = await connection.connection()
    begun: Awaitable[object] = connection.exec_driver_sql(_BEGIN)
    await begun
    return (await connection.get_raw_connection()).driver_connection


def _is_of(connection: object, library: str) -> bool:
    modules = (kind.__module__ for kind in type(connection).__mro__)
    return any(module.split(".")[0] == library for module in modules)


def _is_async(connection: object) -> bool:
    return any(kind.__name__.startswith("Async") for kind in type(connection).__mro__)


def _unsupported(connection: object, supported: str, *, other: str) -> TypeError:
    kind = type(connection)
    name = f"{kind.__module__}.{rendering.type_name(connection)}"
    return TypeError(f"connection must be {supported} (or use `{other}`), not {name}")
