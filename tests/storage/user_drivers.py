"""Users' connections to a PostgreSQL database, one for each driver, under one set of verbs."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import psycopg
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from taskqueue import postgres
from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.postgres.database import PostgresDatabase


class User:
    """A connection whose methods block, with an open transaction after the first statement."""

    def __init__(self, connection: Any, run: Callable[[str], object]) -> None:
        self.connection = connection
        self._run = run

    async def execute(self, sql: str) -> None:
        self._run(sql)

    async def enqueue(self, *tasks: NewTask, **options: Any) -> tuple[Accepted, ...]:
        return postgres.enqueue(self.connection, *tasks, **options)

    async def commit(self) -> None:
        self.connection.commit()

    async def rollback(self) -> None:
        self.connection.rollback()


class AsyncUser(User):
    """A connection whose methods are awaited."""

    async def execute(self, sql: str) -> None:
        await self._run(sql)  # type: ignore[misc]

    async def enqueue(self, *tasks: NewTask, **options: Any) -> tuple[Accepted, ...]:
        return await postgres.enqueue_async(self.connection, *tasks, **options)

    async def commit(self) -> None:
        await self.connection.commit()

    async def rollback(self) -> None:
        await self.connection.rollback()


class AsyncpgUser(AsyncUser):
    """One whose transactions are begun and ended by statements."""

    async def commit(self) -> None:
        await self.connection.execute("COMMIT; BEGIN")

    async def rollback(self) -> None:
        await self.connection.execute("ROLLBACK; BEGIN")


@asynccontextmanager
async def asyncpg_user(database: PostgresDatabase) -> AsyncIterator[User]:
    async with asyncpg.create_pool(database.dsn, min_size=1) as pool, pool.acquire() as connection:
        await connection.execute("BEGIN")
        yield AsyncpgUser(connection, connection.execute)
        await connection.execute("ROLLBACK")


@asynccontextmanager
async def psycopg_user(database: PostgresDatabase) -> AsyncIterator[User]:
    with psycopg.connect(database.dsn) as connection:
        yield User(connection, connection.execute)


@asynccontextmanager
async def async_psycopg_user(database: PostgresDatabase) -> AsyncIterator[User]:
    async with await psycopg.AsyncConnection.connect(database.dsn) as connection:
        yield AsyncUser(connection, connection.execute)


@asynccontextmanager
async def sqlalchemy_user(database: PostgresDatabase) -> AsyncIterator[User]:
    engine = sqlalchemy.create_engine(_url(database, "psycopg"))
    with engine.connect() as connection:
        yield User(connection, connection.exec_driver_sql)
    engine.dispose()


@asynccontextmanager
async def session_user(database: PostgresDatabase) -> AsyncIterator[User]:
    engine = sqlalchemy.create_engine(_url(database, "psycopg"))
    with Session(engine) as session:
        yield User(session, lambda sql: session.execute(sqlalchemy.text(sql)))
    engine.dispose()


def async_sqlalchemy_user(
    driver: str,
) -> Callable[[PostgresDatabase], AbstractAsyncContextManager[User]]:
    @asynccontextmanager
    async def user(database: PostgresDatabase) -> AsyncIterator[User]:
        engine = create_async_engine(_url(database, driver))
        async with engine.connect() as connection:
            yield AsyncUser(connection, connection.exec_driver_sql)
        await engine.dispose()

    return user


@asynccontextmanager
async def async_session_user(database: PostgresDatabase) -> AsyncIterator[User]:
    engine = create_async_engine(_url(database, "asyncpg"))
    async with AsyncSession(engine) as session:
        yield AsyncUser(session, lambda sql: session.execute(sqlalchemy.text(sql)))
    await engine.dispose()


USERS = {
    "asyncpg": asyncpg_user,
    "psycopg": psycopg_user,
    "psycopg, async": async_psycopg_user,
    "SQLAlchemy": sqlalchemy_user,
    "SQLAlchemy, session": session_user,
    "SQLAlchemy, async on asyncpg": async_sqlalchemy_user("asyncpg"),
    "SQLAlchemy, async on psycopg": async_sqlalchemy_user("psycopg"),
    "SQLAlchemy, async session": async_session_user,
}


def _url(database: PostgresDatabase, driver: str) -> str:
    return database.dsn.replace("postgresql:", f"postgresql+{driver}:", 1)
