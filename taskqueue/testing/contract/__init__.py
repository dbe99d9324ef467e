"""The suite that every storage engine passes: each sentence of the protocol, as a test.

    class TestMine(StorageContract):
        @pytest.fixture
        async def storage(self, tmp_path):
            storage = MyStorage(tmp_path)
            await storage.migrate()
            await storage.open()
            yield storage
            await storage.close()

Each part of the protocol has a module of the same name here. An engine without SQL of handlers
lists the other parts as its bases; one whose SQL is not SQLite's sets `dialect`. Needs pytest with
pytest-asyncio in auto mode.
"""

import pytest

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
from taskqueue.testing.contract.rates import RatesContract
from taskqueue.testing.contract.schedules import SchedulesContract
from taskqueue.testing.contract.summaries import SummariesContract
from taskqueue.testing.contract.tasks import TasksContract
from taskqueue.testing.contract.turns import TurnsContract


class StorageContract(
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
    HandlerSQLContract,
):
    """Every engine passes this; a subclass gives `storage`, migrated, open and empty."""

    @pytest.fixture
    def storage(self) -> Storage:
        """Give the engine under test; an async generator fixture closes it afterwards."""
        raise NotImplementedError
