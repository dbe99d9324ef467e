"""What tools do with a database, beside the services that may run on it."""

import asyncio
import os
import pwd
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from taskqueue.clock import SystemClock
from taskqueue.ids import new_id
from taskqueue.rules.access import Role, Token
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.versions import Fleet
from taskqueue.storage.lifecycle import Migration, Schema
from taskqueue.storage.postgres.clock import NOW
from taskqueue.storage.postgres.connections import SQL, connect, drop, transaction
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.errors import translated
from taskqueue.storage.postgres.operations import nodes
from taskqueue.storage.postgres.poolers import with_route
from taskqueue.storage.postgres.schema import runner
from taskqueue.storage.tokens import Tokens

T = TypeVar("T")

REMOTE = "database"
COMMAND = "CLI"
"""The method of what no call does, but a command: its path is the command."""


async def migrate(database: PostgresDatabase) -> tuple[Migration, ...]:
    """Take the steps that a database lacks, all or none; return them."""
    return await PostgresStorage(await with_route(database)).migrate()


def schema_of(database: PostgresDatabase) -> Schema:
    """Return the schema of a database."""
    return _looked(database, partial(runner.schema_of, where=str(database)))


def fleet_of(database: PostgresDatabase) -> tuple[Fleet, float]:
    """Return the schema of a database and the nodes on it, and what its clock says."""

    async def look(db: SQL) -> tuple[Fleet, float]:
        schema = await runner.schema_of(db, str(database))
        fleet = Fleet(
            schema=schema.version,
            wanted=schema.wanted,
            nodes=await nodes.every(db) if schema.version else (),
        )
        return fleet, await db.fetchval(NOW)

    return _looked(database, look)


def _looked(database: PostgresDatabase, look: Callable[[SQL], Awaitable[T]]) -> T:
    """Return what `look` finds in one snapshot."""

    async def connected() -> T:
        connection = await connect((await with_route(database)).direct)
        try:
            with translated(str(database)):
                async with transaction(connection):
                    return await look(connection)
        finally:
            drop(connection)

    # On a thread of its own: the caller may be on a loop, and waits for the answer.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(connected())).result()


class AuditedTokens(Tokens):
    """The tokens of a database, each change with its entry in the audit trail."""

    def __init__(self, storage: PostgresStorage) -> None:
        self._storage = storage
        self._clock = SystemClock()

    async def add_token(self, token: Token) -> bool:
        command = f"tokens new --role {token.role} --name {token.name}"
        is_new = await self._storage.add_token(token)
        if is_new:
            await self._record(command)
        return is_new

    async def tokens(self) -> tuple[Token, ...]:
        return await self._storage.tokens()

    async def revoke_token(self, name: str) -> bool:
        was_there = await self._storage.revoke_token(name)
        if was_there:
            await self._record(f"tokens revoke {name}")
        return was_there

    async def note_token_use(self, used: Mapping[str, float]) -> None:
        await self._storage.note_token_use(used)

    async def _record(self, command: str) -> None:
        change = AuditedChange(
            id=new_id(),
            at=self._clock.now(),
            role=Role.ADMIN,
            who=_this_user(),
            remote=REMOTE,
            method=COMMAND,
            path=command,
            status=200,
        )
        await self._storage.record_changes((change,))


@asynccontextmanager
async def tokens_in(database: PostgresDatabase) -> AsyncIterator[Tokens]:
    """Open the tokens of a database, which is migrated first."""
    storage = PostgresStorage(await with_route(database))
    await storage.migrate()
    await storage.open()
    try:
        yield AuditedTokens(storage)
    finally:
        await storage.close()


def _this_user() -> str:
    user = os.geteuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # as in many containers
        return str(user)
