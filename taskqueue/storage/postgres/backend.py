"""PostgreSQL while a service runs on it: one node of any number."""

import secrets
import socket
from types import TracebackType
from typing import Self
from uuid import uuid4

from taskqueue.clock import Clock
from taskqueue.events import events
from taskqueue.rules.measures import CommitMeasures
from taskqueue.rules.tasks import Owner
from taskqueue.storage.postgres import poolers, serving
from taskqueue.storage.postgres.clock import ServerClock
from taskqueue.storage.postgres.connections import connect, transaction
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import translated
from taskqueue.storage.postgres.schema import runner
from taskqueue.storage.protocol import Storage


class PostgresBackend:
    """The engine of one database, for one node.

    The name of the node is made anew each time. A service that had the name of one that is still
    alive would take what that one holds, as soon as it starts. What a dead node held is rescued by
    any other when its leases have expired.
    """

    def __init__(self, database: PostgresDatabase, *, own_clock: Clock | None = None) -> None:
        """Make a node; `own_clock` is that of this machine."""
        node = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self.owner = Owner(node=node, incarnation=uuid4().hex)
        self.commits = CommitMeasures()
        self.clock = ServerClock(own_clock)
        self.database = database

    async def prepare(self) -> None:
        """Make sure that the server answers, and that its tables are all there or none is.

        Its schema must not be newer than this release, and no copy of it may be under way. The
        clock is set by the server's. If a pooler in transaction mode stands between, it is found.
        """
        await self._find_pooler()
        where = str(self.database)
        connection = await connect(self.database)
        try:
            with translated(where):
                async with transaction(connection):
                    if await runner.known_version_of(connection, where):
                        await serving.share(connection, where, for_session=False)
                    await self.clock.measure(connection)
        finally:
            await connection.close(timeout=1.0)

    async def _find_pooler(self) -> None:
        self.database = database = await poolers.with_route(self.database)
        await poolers.require_direct(database)
        if database.has_pooler:
            events.info(
                "pooler_found", database=str(database), has_notices=not database.direct.has_pooler
            )

    def storage(self) -> Storage:
        from taskqueue.storage.postgres.engine import PostgresStorage  # noqa: PLC0415

        return PostgresStorage(self.database, commits=self.commits, clock=self.clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing was started ahead."""
