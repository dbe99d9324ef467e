from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from taskqueue.rules.access import Role, Token, digest_of
from taskqueue.storage.databases import tokens_of
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.testing.process import ServiceProcess

APP = ("--app", "tests.client.shop:app")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    async with ServiceProcess(tmp_path, *APP) as service:
        yield service


@pytest.fixture
def tokens(service: ServiceProcess, tmp_path: Path) -> Callable[[str], Awaitable[str]]:
    """Makes a token of a role, in the database of the service."""

    async def make(role: str) -> str:
        text = f"tq_{role}"
        token = Token(name=role, role=Role(role), digest=digest_of(text), created_at=0.0)
        async with tokens_of(SQLiteDatabase(path=tmp_path / "data/tasks.db")) as kept:
            assert await kept.add_token(token)
        return text

    return make
