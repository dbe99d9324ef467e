"""PostgreSQL keeps the contract."""

from collections.abc import AsyncIterator

import pytest

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import Complete, NotApplied, Statement
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.access_tokens import TokensContract
from taskqueue.testing.contract.administration import AdministrationContract
from taskqueue.testing.contract.backlogs import BacklogsContract
from taskqueue.testing.contract.gates import GatesContract
from taskqueue.testing.contract.groups import GroupsContract
from taskqueue.testing.contract.leases import LeasesContract
from taskqueue.testing.contract.lifecycle import LifecycleContract
from taskqueue.testing.contract.nodes import NodesContract
from taskqueue.testing.contract.rates import RatesContract
from taskqueue.testing.contract.schedules import SchedulesContract
from taskqueue.testing.contract.steps import ME, add, claim, settle
from taskqueue.testing.contract.summaries import SummariesContract
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
    BacklogsContract,
    SummariesContract,
    SchedulesContract,
    NodesContract,
    TokensContract,
):
    """All parts but chains, of which it has none, and the SQL of handlers, which it refuses."""

    @pytest.fixture
    async def storage(self, migrated_database: PostgresDatabase) -> AsyncIterator[Storage]:
        storage = PostgresStorage(migrated_database)
        await storage.open()
        yield storage
        await storage.close()

    async def test_a_member_may_add_to_its_closed_group(  # type: ignore[override]
        self, storage: Storage
    ) -> None:
        # The contract has it with statements of a handler as well.
        await super().test_a_member_may_add_to_its_closed_group(storage, ())

    async def test_statements_of_handlers_are_refused(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        statement = Statement(sql="SELECT 1")

        answer = await settle(storage, delivery, Complete(result="1", statements=(statement,)))

        assert isinstance(answer, NotApplied)
        assert "PostgreSQL" in answer.error
        assert await storage.held(ME) == (delivery,)
        with pytest.raises(StatementRefused, match="PostgreSQL"):
            await storage.dry_run((), statement, limit_s=1.0)
