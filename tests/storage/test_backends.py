"""From the name of a database to its storage."""

import os
from pathlib import Path

import pytest

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.backend import Database
from taskqueue.storage.databases import backend_of
from taskqueue.storage.memory.database import MemoryDatabase
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.testing.contract.backend import BackendContract, opened
from taskqueue.testing.process import children_of


class TestSQLite(BackendContract):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Database:
        return SQLiteDatabase(path=tmp_path / "data" / "tasks.db")

    async def test_a_file_that_another_storage_has_open_cannot_be_prepared(
        self, database: Database
    ) -> None:
        with backend_of(database) as first, backend_of(database) as second:
            await first.prepare()
            storage = await opened(first)

            with pytest.raises(StorageUnavailable, match="holds"):
                await second.prepare()

            await storage.close()
            await second.prepare()

    async def test_the_process_that_nothing_has_used_ends_with_its_backend(
        self, database: Database
    ) -> None:
        before = children_of(os.getpid())

        with backend_of(database):
            started = children_of(os.getpid())

        assert len(started) == len(before) + 1
        assert children_of(os.getpid()) == before

    async def test_a_service_keeps_the_name_of_its_node(self, database: Database) -> None:
        with backend_of(database) as first, backend_of(database) as second:
            assert first.owner.node == second.owner.node


class TestMemory(BackendContract):
    @pytest.fixture
    def database(self) -> Database:
        return MemoryDatabase()


class TestPostgres(BackendContract):
    @pytest.fixture
    def database(self, empty_database: PostgresDatabase) -> Database:
        return empty_database


def test_a_database_of_no_engine_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="no engine serves Database"):
        backend_of(Database())
