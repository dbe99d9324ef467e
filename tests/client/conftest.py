import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from taskqueue import Client
from taskqueue.rules.access import Role, Token, digest_of
from taskqueue.storage.databases import tokens_of
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.process import ServiceProcess
from tests.forked.service import ForkedService

APP = ("--app", "tests.client.shop:app")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    async with ForkedService(tmp_path, *APP) as service:
        yield service


@pytest.fixture
def tokens(service: ServiceProcess, tmp_path: Path) -> Callable[[str], Awaitable[str]]:
    """Makes a token of a role, in the database of the service."""

    async def make(role: str) -> str:
        text = f"tq_{role}"
        token = Token(name=role, role=Role(role), digest=digest_of(text), created_at=0.0)
        async with tokens_of(SQLiteDatabase(path=tmp_path / "data/tasks.db"), make=False) as kept:
            assert await kept.add_token(token)
        return text

    return make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that a service has migrated, and that none serves now."""
    path = tmp_path / "tasks.db"

    async def migrate() -> None:
        storage = SQLiteStorage(path)
        await storage.migrate()
        await storage.open()
        await storage.close()

    asyncio.run(migrate())
    return path


@pytest.fixture
def queue(path: Path) -> Iterator[Client]:
    with Client(f"sqlite:///{path}") as queue:
        yield queue
