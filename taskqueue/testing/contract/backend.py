"""The contract of a backend: what leads from the name of a database to its storage.

class TestMine(BackendContract):
    @pytest.fixture
    def database(self, tmp_path):
        return MyDatabase(tmp_path)
"""

import pytest

from taskqueue.storage.backend import Backend, Database
from taskqueue.storage.databases import backend_of, named
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import add, claim, ids, task_of


async def opened(backend: Backend) -> Storage:
    """Return a storage of this backend that serves."""
    storage = backend.storage()
    await storage.migrate()
    await storage.open()
    return storage


class BackendContract:
    """Every backend passes this; a subclass gives `database`, where there is nothing yet."""

    @pytest.fixture
    def database(self) -> Database:
        """Give the database under test."""
        raise NotImplementedError

    def test_a_database_is_named_by_what_it_shows(self, database: Database) -> None:
        assert named(str(database)) == database

    async def test_what_was_prepared_can_be_migrated_and_opened(self, database: Database) -> None:
        with backend_of(database) as backend:
            await backend.prepare()

            storage = await opened(backend)

            await storage.probe()
            await storage.close()

    async def test_the_next_storage_has_what_the_one_before_has_committed(
        self, database: Database
    ) -> None:
        with backend_of(database) as backend:
            await backend.prepare()
            first = await opened(backend)
            await add(first, "a")
            await first.close()

            second = await opened(backend)

            assert (await task_of(second, "a")).id == "a"
            await second.close()

    async def test_the_next_storage_serves_though_the_one_before_was_abandoned(
        self, database: Database
    ) -> None:
        with backend_of(database) as backend:
            await backend.prepare()
            first = await opened(backend)
            await add(first, "a")
            first.abandon()

            second = await opened(backend)

            assert ids(await claim(second, owner=backend.owner)) == ["a"]
            await second.close()

    async def test_each_life_of_a_service_is_another_owner(self, database: Database) -> None:
        with backend_of(database) as first, backend_of(database) as second:
            assert first.owner != second.owner
