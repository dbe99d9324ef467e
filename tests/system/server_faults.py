"""What happens to a PostgreSQL database from outside, and how it ends."""

import contextlib
import pwd
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from taskqueue.storage.postgres.database import PostgresDatabase
from tests.postgres_programs import server_user
from tests.postgres_server import PostgresServer

ROLE = "app"
"""The user of the service: no limit binds an administrator."""


@dataclass(frozen=True)
class Served:
    """A database for a service, with what an administrator needs to do something to it."""

    server: PostgresServer
    name: str

    @property
    def url(self) -> str:
        """For the service."""
        return self.server.url_of(self.name).replace("user=postgres", f"user={ROLE}")

    async def administer(self, sql: str) -> None:
        """Run a statement in the maintenance database."""
        await self.server.run(sql)

    async def end_connections(self) -> None:
        """End all connections of the service."""
        await self.administer(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{self.name}' AND usename = '{ROLE}'"
        )

    async def connect(self, program: str) -> asyncpg.Connection:
        """Open a connection of another program."""
        return await asyncpg.connect(
            PostgresDatabase(url=self.server.url_of(self.name)).dsn,
            server_settings={"application_name": program},
        )


@dataclass(frozen=True)
class ServerFault:
    """One way for a database to fail while the context is entered."""

    name: str
    inflict: Callable[[Served], AbstractAsyncContextManager[None]]
    reason: str  # is part of what readiness says
    readable: bool = True  # what is there can be shown meanwhile


@asynccontextmanager
async def locked(served: Served) -> AsyncIterator[None]:
    """Somebody has changed tasks in a transaction, and left it open."""
    shell = await served.connect("a shell")
    transaction = shell.transaction()
    await transaction.start()
    await shell.execute("LOCK TABLE taskqueue.tasks IN EXCLUSIVE MODE")
    yield
    await transaction.rollback()
    await shell.close()


@asynccontextmanager
async def crowded(served: Served) -> AsyncIterator[None]:
    """All connections that the user may have are taken."""
    await served.administer(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    await served.end_connections()
    yield
    await served.administer(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")


@asynccontextmanager
async def closed(served: Served) -> AsyncIterator[None]:
    """The database lets nobody in, as during maintenance."""
    await served.administer(f"ALTER DATABASE {served.name} ALLOW_CONNECTIONS false")
    await served.end_connections()
    yield
    await served.administer(f"ALTER DATABASE {served.name} ALLOW_CONNECTIONS true")


@asynccontextmanager
async def read_only(served: Served) -> AsyncIterator[None]:
    """Nothing can be written, as on a standby."""
    setting = f"ALTER DATABASE {served.name} SET default_transaction_read_only"
    await served.administer(f"{setting} = on")
    await served.end_connections()
    yield
    await served.administer(f"{setting} = off")
    await served.end_connections()


FAULTS = (
    ServerFault("locked", locked, "(a shell) holds locks"),
    ServerFault("crowded", crowded, "no connection left", readable=False),
    ServerFault("closed", closed, "not currently accepting connections", readable=False),
    ServerFault("read-only", read_only, "read-only"),
)


# --- a disk that fills up ------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """Mount a file system that is soon full; None if that is not allowed here."""
    folder = Path(tempfile.mkdtemp(prefix="taskqueue-disk-"))
    owner = pwd.getpwnam(server_user()).pw_uid
    size = f"size={megabytes}m,uid={owner}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    try:
        yield None if mounted.returncode else folder
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def full_at(disk: Path) -> ServerFault:
    """The disk of the database has not a byte left."""

    @asynccontextmanager
    async def full(_: Served) -> AsyncIterator[None]:
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        yield
        ballast.unlink()

    return ServerFault("full", full, "the disk of the server is full")
