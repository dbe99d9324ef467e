"""SQLite keeps the contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite import SQLiteStorage
from taskqueue.testing.contract import StorageContract
from taskqueue.testing.contract_keys import KeyContract
from taskqueue.testing.contract_operation import OperationContract


class TestSQLite(StorageContract, KeyContract, OperationContract):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        storage = SQLiteStorage(tmp_path / "tasks.db")
        await storage.migrate()
        await storage.open()
        yield storage
        await storage.close()
