"""PostgreSQL answers whatever is asked as the obvious storage does: the machines of all models."""

import asyncio
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from unittest import TestCase

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from taskqueue.rules.groups import CloseResult, Group
from taskqueue.rules.tasks import Outcome, Succeeded
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.protocol import Storage
from tests.examples_of_hypothesis import share_of
from tests.postgres_server import PostgresServer
from tests.storage import test_fairness_model, test_limits_model, test_model, test_schedule_model
from tests.storage.test_model import T, TwoStorages, Verb, groups, limits

pytestmark = pytest.mark.long

_places: list[tuple[PostgresServer, str]] = []


@pytest.fixture(scope="module", autouse=True)
def _server(postgres: PostgresServer, migrated_template: str) -> Iterator[None]:
    _places.append((postgres, migrated_template))
    yield
    _places.clear()


class OnPostgres(RuleBasedStateMachine):
    """A machine that compares the model with PostgreSQL, each time in a database of its own."""

    runner: asyncio.Runner
    folder: TemporaryDirectory[str]
    engine: Storage

    def make_engine(self) -> Storage:
        server, template = _places[0]
        self.name = self.runner.run(server.create(template=template))
        return PostgresStorage(PostgresDatabase(url=server.url_of(self.name)))

    def teardown(self) -> None:
        self.runner.run(self.engine.close())
        self.runner.run(_places[0][0].drop(self.name))
        self.runner.close()
        self.folder.cleanup()


class MemoryAndPostgres(OnPostgres, TwoStorages):
    """All but the SQL of handlers, whose words differ."""

    @initialize()
    def open(self) -> None:
        TwoStorages.open(self)

    def make_tables(self) -> None:
        """Handlers have none."""

    def outcomes(self, n: int) -> tuple[st.SearchStrategy[Outcome], st.SearchStrategy[Outcome]]:
        _, failure = super().outcomes(n)
        success = st.builds(
            Succeeded,
            result=st.just("1"),
            follow_ups=st.lists(test_model.new_tasks, max_size=2).map(tuple),
        )
        return success, failure

    # Without a mark they are no rules and no invariants.

    def dry_run(self) -> None:  # type: ignore[override]
        """Not here."""

    def what_handlers_wrote_is_there_once_and_alike(self) -> None:
        """Not here."""

    # Numbers of groups grow here as well, but leave some out.

    def same(self, verb: Verb[T]) -> T:
        expected, answer = self.ask(verb)
        assert unnumbered(answer) == unnumbered(expected)
        return expected

    @rule(name=groups, ended=st.none() | st.booleans(), limit=limits)
    def list_groups(self, name: str, ended: bool | None, limit: int) -> None:  # type: ignore[override]
        async def before(storage: Storage) -> tuple[Group, ...]:
            group = await storage.get_group(name)
            number = None if group is None else group.number
            return await storage.groups(before=number, ended=ended, limit=limit)

        self.same(before)


def unnumbered(answer: object) -> object:
    """Return an answer with the same number for all groups."""
    match answer:
        case Group():
            return msgspec.structs.replace(answer, number=0)
        case CloseResult():
            group = msgspec.structs.replace(answer.group, number=0)
            return msgspec.structs.replace(answer, group=group)
        case tuple():
            return tuple(map(unnumbered, answer))
        case _:
            return answer


class Limits(OnPostgres, test_limits_model.TwoStorages):
    """All of it."""


class Fairness(OnPostgres, test_fairness_model.Fairness):
    """All of it."""


class Schedules(OnPostgres, test_schedule_model.TwoStorages):
    """All of it."""


def case_of(machine: type[OnPostgres], *, examples: int) -> type[TestCase]:
    """Return the test of a machine."""
    case: type[TestCase] = machine.TestCase
    case.settings = settings(  # type: ignore[attr-defined]
        max_examples=share_of(examples),
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return pytest.mark.timeout(600)(case)


TestPostgresModel = case_of(MemoryAndPostgres, examples=10)
TestPostgresLimits = case_of(Limits, examples=20)
TestPostgresFairness = case_of(Fairness, examples=15)
TestPostgresSchedules = case_of(Schedules, examples=10)
