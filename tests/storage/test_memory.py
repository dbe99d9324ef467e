"""The model keeps the contract."""

from collections.abc import AsyncIterator

import pytest

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract import StorageContract


class TestMemory(StorageContract):
    @pytest.fixture
    async def storage(self) -> AsyncIterator[Storage]:
        storage = MemoryStorage()
        await storage.migrate()
        await storage.open()
        yield storage
        await storage.close()


async def test_memory_cannot_be_opened_before_it_was_migrated() -> None:
    with pytest.raises(StorageUnavailable, match="run the migration"):
        await MemoryStorage().open()
