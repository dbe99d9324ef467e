"""PostgreSQL answers whatever is asked as the obvious storage does: the machines of all models."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from unittest import TestCase

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from taskqueue.errors import LeaseLost
from taskqueue.rules.groups import CloseResult, Group
from taskqueue.rules.tasks import (
    Complete,
    NewTask,
    NotApplied,
    Rows,
    SettleBy,
    Settled,
    Settlement,
    Statement,
)
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.operations import claiming, inserting
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


# What the statements of `test_model` are on PostgreSQL, if they are not the same.
WORDS = {
    "INSERT OR ROLLBACK INTO ledger VALUES (?, 0)": "INSERT INTO ledger VALUES ($1, 0)",
    "UPDATE OR FAIL ledger SET value = value + 1 WHERE n >= ?": (
        "UPDATE ledger SET value = value + 1 WHERE n >= $1"
    ),
    "REPLACE INTO ledger VALUES (?, 0) RETURNING value": (
        "INSERT INTO ledger VALUES ($1, 0) "
        "ON CONFLICT (n) DO UPDATE SET value = excluded.value RETURNING value"
    ),
    # Only what changes something of the queue is refused there, and this always does.
    "DELETE FROM tasks WHERE seq = ?": "UPDATE taskqueue.counters SET queued = $1",
}


def translated(statement: Statement) -> Statement:
    """Return the same statement in the words of PostgreSQL."""
    words = WORDS.get(statement.sql, statement.sql.replace("?", "$1"))
    return msgspec.structs.replace(statement, sql=words)


def translated_settlement(by: SettleBy) -> SettleBy:
    """Return the same settlement, with its statements in the words of PostgreSQL."""
    if not isinstance(by.settlement, Complete):
        return by
    statements = tuple(map(translated, by.settlement.statements))
    settlement = msgspec.structs.replace(by.settlement, statements=statements)
    return msgspec.structs.replace(by, settlement=settlement)


class Translating(PostgresStorage):
    """Takes the SQL of handlers in the words of the model."""

    async def settle(
        self, settlements: Sequence[SettleBy], *, patient: bool = False, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        asked = [*map(translated_settlement, settlements)]
        return await super().settle(asked, patient=patient, now=now)

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        asked = [*map(translated, statements)]
        return await super().dry_run(asked, translated(query), limit_s=limit_s)


EFFECT = "INSERT INTO effects VALUES (?)"


def has_statements(drawn: tuple[tuple[str, str], Settlement]) -> bool:
    """Tell whether a settlement has any."""
    _, settlement = drawn
    return isinstance(settlement, Complete) and bool(settlement.statements)


class TranslatingToTheEnd(test_limits_model.ToTheEnd, Translating):
    """The same, whose claims go on until they are finished."""


class OnPostgres(RuleBasedStateMachine):
    """A machine that compares the model with PostgreSQL, each time in a database of its own."""

    runner: asyncio.Runner
    folder: TemporaryDirectory[str]
    engine: Storage
    engine_class: type[PostgresStorage] = Translating

    def make_engine(self) -> Storage:
        server, template = _places[0]
        self.name = self.runner.run(server.create(template=template))
        return self.engine_class(PostgresDatabase(url=server.url_of(self.name)))

    def teardown(self) -> None:
        self.runner.run(self.engine.close())
        self.runner.run(_places[0][0].drop(self.name))
        self.runner.close()
        self.folder.cleanup()


class MemoryAndPostgres(OnPostgres, TwoStorages):
    """All of it, and handlers that commit on a connection of their own."""

    @initialize()
    def open(self) -> None:
        TwoStorages.open(self)

    def settle_all(
        self,
        drawn: list[tuple[tuple[str, str], Settlement]],
        *,
        started_at: float | None = None,
        repeated: bool = False,
    ) -> tuple[Settled | NotApplied, ...]:
        """Settle with both; one after the other if there are statements.

        These have commits of their own, so the order within a batch may be another one.
        """
        batches = [[each] for each in drawn] if any(map(has_statements, drawn)) else [drawn]
        settle = partial(super().settle_all, started_at=started_at, repeated=repeated)
        return tuple(answer for batch in batches for answer in settle(batch))

    @precondition(lambda self: self.tokens)
    @rule(
        data=st.data(), fails=st.booleans(), follow_ups=st.lists(test_model.new_tasks, max_size=2)
    )
    def settle_on_a_connection(
        self, data: st.DataObject, fails: bool, follow_ups: list[NewTask]
    ) -> None:
        """Commit the result on the connection of the handler, unless it does not hold any more."""
        pair = self.pick(data)
        effect = Statement(sql=EFFECT, parameters=(self.tokens.index(pair),))
        settlement = Complete(result="1", follow_ups=tuple(follow_ups), statements=(effect,))
        if pair[0] not in self.held.values():
            with pytest.raises(LeaseLost):
                self.run(self.write_on_a_connection(pair[1], effect, None))
        elif fails:
            self.run(self.write_on_a_connection(pair[1], effect, None))
        else:
            plain = msgspec.structs.replace(settlement, statements=())
            answer = self.run(self.write_on_a_connection(pair[1], effect, plain))
            assert answer is Settled.WRITTEN
            self.settle_all([(pair, settlement)], repeated=True)

    async def write_on_a_connection(
        self, token: str, effect: Statement, settlement: Complete | None
    ) -> Settled | NotApplied | None:
        """Write an effect, and settle with it; without a settlement take it back."""
        handlers = await self.engine.handler_transactions()
        assert handlers is not None
        transaction = await handlers.begin("the task", token)
        try:
            async with transaction.block() as db:
                await db.execute(effect.sql.replace("?", "$1"), *effect.parameters)
            if settlement is not None:
                by = SettleBy(token=token, settlement=settlement)
                return await transaction.settle(by, now=self.now)
            await transaction.roll_back()
        finally:
            transaction.abandon()
        return None

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


class LimitsInPortions(OnPostgres, test_limits_model.InPortions):
    """All of it, in portions."""

    modules = (claiming, inserting)
    engine_class = TranslatingToTheEnd

    def teardown(self) -> None:
        super().teardown()
        self.patch.undo()


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
TestPostgresLimitsInPortions = case_of(LimitsInPortions, examples=20)
TestPostgresFairness = case_of(Fairness, examples=15)
TestPostgresSchedules = case_of(Schedules, examples=10)
