"""PostgreSQL keeps the contract."""

from collections.abc import AsyncIterator

import pytest

from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.access_tokens import TokensContract
from taskqueue.testing.contract.administration import AdministrationContract
from taskqueue.testing.contract.backlogs import BacklogsContract
from taskqueue.testing.contract.chains import ChainsContract
from taskqueue.testing.contract.gates import GatesContract
from taskqueue.testing.contract.groups import GroupsContract
from taskqueue.testing.contract.handler_sql import HandlerSQLContract
from taskqueue.testing.contract.leases import LeasesContract
from taskqueue.testing.contract.lifecycle import LifecycleContract
from taskqueue.testing.contract.nodes import NodesContract
from taskqueue.testing.contract.parking import ParkingContract
from taskqueue.testing.contract.postgres_samples import POSTGRES
from taskqueue.testing.contract.rates import RatesContract
from taskqueue.testing.contract.schedules import SchedulesContract
from taskqueue.testing.contract.summaries import SummariesContract
from taskqueue.testing.contract.tasks import TasksContract
from taskqueue.testing.contract.turns import TurnsContract
from tests.postgres_server import run_in


class TestPostgres(
    LifecycleContract,
    TasksContract,
    LeasesContract,
    GatesContract,
    ParkingContract,
    ChainsContract,
    RatesContract,
    TurnsContract,
    GroupsContract,
    AdministrationContract,
    BacklogsContract,
    SummariesContract,
    SchedulesContract,
    NodesContract,
    TokensContract,
):
    """All parts; the SQL of handlers is below."""

    @pytest.fixture
    async def storage(self, migrated_database: PostgresDatabase) -> AsyncIterator[Storage]:
        storage = PostgresStorage(migrated_database)
        await storage.open()
        yield storage
        await storage.close()


class TestHandlerSQL(HandlerSQLContract):
    dialect = POSTGRES

    @pytest.fixture
    async def storage(self, migrated_database: PostgresDatabase) -> AsyncIterator[Storage]:
        storage = PostgresStorage(migrated_database)
        await storage.open()
        yield storage
        await storage.close()
        await run_in(migrated_database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
