"""SQLite keeps the contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract import StorageContract


class TestSQLite(StorageContract):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        storage = SQLiteStorage(tmp_path / "tasks.db")
        await storage.migrate()
        await storage.open()
        yield storage
        await storage.close()
