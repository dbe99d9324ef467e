"""PostgreSQL keeps the contract."""

from collections.abc import AsyncIterator

import pytest

from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.access_tokens import TokensContract
from taskqueue.testing.contract.administration import AdministrationContract
from taskqueue.testing.contract.gates import GatesContract
from taskqueue.testing.contract.groups import GroupsContract
from taskqueue.testing.contract.leases import LeasesContract
from taskqueue.testing.contract.lifecycle import LifecycleContract
from taskqueue.testing.contract.rates import RatesContract
from taskqueue.testing.contract.schedules import SchedulesContract
from taskqueue.testing.contract.tasks import TasksContract
from taskqueue.testing.contract.turns import TurnsContract


class TestPostgres(
    LifecycleContract,
    TasksContract,
    LeasesContract,
    GatesContract,
    RatesContract,
    TurnsContract,
    GroupsContract,
    AdministrationContract,
    SchedulesContract,
    TokensContract,
):
    """All parts but the SQL of handlers, which this engine refuses."""

    @pytest.fixture
    async def storage(self, migrated_database: PostgresDatabase) -> AsyncIterator[Storage]:
        storage = PostgresStorage(migrated_database)
        await storage.open()
        yield storage
        await storage.close()
