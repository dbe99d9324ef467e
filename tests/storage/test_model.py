"""An engine answers whatever is asked as the obvious storage does; both keep the invariants."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from taskqueue.errors import StatementRefused
from taskqueue.rules import policy
from taskqueue.rules.edits import Change, EditAnswer
from taskqueue.rules.filters import Sort, TaskFilter
from taskqueue.rules.groups import Close, Group, GroupEnd
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import (
    ENDED,
    Acceptance,
    Accepted,
    CancelAnswer,
    Cancelled,
    Complete,
    Conflicted,
    Crashed,
    Delivery,
    Failed,
    Interrupted,
    NewTask,
    NotApplied,
    Outcome,
    Owner,
    Rejected,
    Rows,
    SettleBy,
    Settled,
    Settlement,
    Snoozed,
    Statement,
    Status,
    Succeeded,
    Task,
    TaskHistory,
    TimedOut,
)
from taskqueue.rules.uniqueness import KeyEnd, KeyRule, OnRepeat
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from tests.examples_of_hypothesis import share_of

T = TypeVar("T")
Verb = Callable[[Storage], Awaitable[T]]

QUEUES = ("default", "mail")
IDS = tuple(f"{n:02}" for n in range(12))  # few, so that equal ids meet
GROUPS = ("import", "export")
WRITTEN = (Settled.WRITTEN, Settled.CANCELLED)
OWNERS = tuple(Owner(node=node, incarnation=life) for node in "ab" for life in "12")

ids = st.sampled_from(IDS)
owners = st.sampled_from(OWNERS)
queues = st.sampled_from(QUEUES)
statuses = st.sampled_from(Status)
delays = st.sampled_from([-3.0, 0.0, 0.5, 4.0, 30.0])
limits = st.integers(0, 6)
groups = st.sampled_from(GROUPS)

key_rules = st.builds(
    KeyRule,
    until=st.sampled_from([*KeyEnd, 1.0, 20.0]),
    on_repeat=st.none() | st.sampled_from(OnRepeat),
    latest_s=st.none() | st.sampled_from([1.0, 30.0]),
)
new_tasks = st.builds(
    NewTask,
    id=ids,
    action=st.just("echo"),
    payload=st.sampled_from(['{"data": 1}', '{"data": "é"}']),
    queue=queues,
    priority=st.integers(-1, 2),
    run_at=st.one_of(st.none(), st.integers(0, 60).map(float)),
    max_attempts=st.integers(1, 3),
    expires_at=st.none() | st.integers(0, 60).map(float),
    group=st.none() | groups,
)
what_follows = st.builds(
    NewTask,
    id=st.sampled_from(["then-1", "then-2", IDS[0]]),
    action=st.just("report"),
    payload=st.just("{}"),
    unique_key=st.sampled_from([None, "k"]),
    fingerprint=st.sampled_from("fg"),
    key_rule=st.none() | key_rules,
    group=st.none() | groups,
)


changes = st.builds(
    Change,
    payload=st.none() | st.sampled_from(['{"data": 2}', '{"data": "ö"}']),
    priority=st.none() | st.integers(-1, 2),
    run_at=st.none() | st.integers(0, 60).map(float),
    max_attempts=st.none() | st.integers(1, 3),
)

instants = st.none() | st.integers(0, 60).map(float)
filters = st.builds(
    TaskFilter,
    statuses=st.lists(statuses, max_size=4, unique=True).map(tuple),
    action=st.none() | st.sampled_from(["echo", "mail"]),
    queue=st.none() | queues,
    created_after=instants,
    created_before=instants,
    ended_after=instants,
    ended_before=instants,
    unique_key=st.sampled_from([None, None, "k"]),
    group=st.none() | groups,
    text=st.sampled_from([None, None, "data", "é", "no"]),
)

# What handlers do to tables of their own: some of it fails, and some takes the transaction along.
# That each settlement is applied once or not at all is seen in `effects`.
TABLES = (
    Statement(sql="CREATE TABLE effects (n INTEGER)"),
    Statement(sql="CREATE TABLE ledger (n INTEGER PRIMARY KEY, value INTEGER CHECK (value < 3))"),
    Statement(sql="INSERT INTO ledger VALUES (0, 0), (1, 0)"),
)
CONTENT = Statement(
    sql="SELECT n, NULL FROM effects UNION ALL SELECT n, value FROM ledger "
    "ORDER BY 2 NULLS FIRST, 1"
)
LOOKS = st.sampled_from(
    [
        "SELECT * FROM ledger ORDER BY n",
        "SELECT sum(value) FROM ledger",
        "SELECT count(*) FROM ledger",
    ]
).map(lambda sql: Statement(sql=sql))
CHANGES = st.builds(
    Statement,
    sql=st.sampled_from(
        [
            "INSERT INTO ledger VALUES (?, 0)",
            "INSERT OR ROLLBACK INTO ledger VALUES (?, 0)",
            "UPDATE OR FAIL ledger SET value = value + 1 WHERE n >= ?",
            "REPLACE INTO ledger VALUES (?, 0) RETURNING value",
            "DELETE FROM ledger WHERE n = ?",
            "DELETE FROM tasks WHERE seq = ?",
        ]
    ),
    parameters=st.integers(0, 3).map(lambda n: (n,)),
)
keyed_tasks = st.builds(
    NewTask,
    id=ids,
    action=st.just("mail"),
    payload=st.just("{}"),
    queue=queues,
    run_at=st.one_of(st.none(), st.integers(0, 60).map(float)),
    unique_key=st.one_of(st.none(), st.sampled_from("kl")),
    fingerprint=st.sampled_from("fg"),
    group=st.none() | groups,
)
ruled_tasks = st.builds(
    NewTask,
    id=ids,
    action=st.just("mail"),
    payload=st.sampled_from(['{"data": 1}', '{"data": "é"}']),
    queue=queues,
    priority=st.integers(0, 2),
    run_at=st.one_of(st.none(), st.integers(0, 60).map(float)),
    unique_key=st.sampled_from(["k", "l", "k\x1faction\x1fmail"]),
    fingerprint=st.none() | st.sampled_from("fg"),
    key_rule=st.none() | key_rules,
    expires_at=st.none() | st.just(20.0),
    group=st.none() | groups,
)
# Of two tasks of one id in one list the second may be accepted where the first has met a key.
ruled_lists = st.lists(ruled_tasks, max_size=6, unique_by=lambda task: task.id)


class TwoStorages(RuleBasedStateMachine):
    """Drives both with the same commands at the same times.

    Tokens are the one thing in which they may differ: `tokens` holds pairs, and what is compared
    bears the model's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.model = MemoryStorage()
        self.engine = self.make_engine()
        self.now = 0.0
        self.accepted: set[str] = set()
        self.tokens: list[tuple[str, str]] = []
        self.written: set[str] = set()
        self.held: dict[str, str] = {}  # task id: token
        self.delivered: dict[str, Task] = {}  # by token, as it was claimed
        self.over: set[str] = set()  # ended, and not redriven
        self.effects: list[int] = []  # what completed settlements have left in the table
        self.followed: set[tuple[str, int]] = set()  # groups that something has followed
        self.seen: list[Statement] = []  # what handlers were shown, with its digest

    def make_engine(self) -> Storage:
        """Return what is compared with the model."""
        return SQLiteStorage(Path(self.folder.name) / "t.db", synchronous="NORMAL")

    @initialize()
    def open(self) -> None:
        async def open_both() -> None:
            for storage in (self.model, self.engine):
                await storage.migrate()
                await storage.open()

        self.run(open_both())
        self.model.on_group_end(self.note_end)
        self.make_tables()
        self.insert([NewTask(id=task_id, action="echo", payload="{}") for task_id in IDS[::2]])
        self.claim("default", 3, OWNERS[0], 30.0)

    def make_tables(self) -> None:
        """Make the tables of the handlers."""
        self.insert([NewTask(id="tables", action="echo", payload="{}")])
        self.claim("default", 1, OWNERS[0], 30.0)
        [pair] = self.tokens
        settlement = Complete(result="1", statements=TABLES)
        assert self.settle_all([(pair, settlement)]) == (Settled.WRITTEN,)

    def teardown(self) -> None:
        self.run(self.engine.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.get_loop().run_until_complete(
            work
        )  # `run` would mind signals, each time

    def ask(self, verb: Verb[T]) -> tuple[T, T]:
        async def ask_both() -> tuple[T, T]:
            return await verb(self.model), await verb(self.engine)

        return self.run(ask_both())

    def same(self, verb: Verb[T]) -> T:
        """Ask both, check that they answer alike, return the answer."""
        expected, answer = self.ask(verb)
        assert answer == expected
        return answer

    def same_deliveries(self, verb: Verb[tuple[Delivery, ...]]) -> tuple[Delivery, ...]:
        expected, answer = self.ask(verb)
        known = {other: model for model, other in self.tokens}
        assert expected == tuple(
            msgspec.structs.replace(delivery, token=known[delivery.token]) for delivery in answer
        )
        return expected

    def pick(self, data: st.DataObject) -> tuple[str, str]:
        # Most that were ever given out hold no longer, and would leave little to see.
        holding = [pair for pair in self.tokens if pair[0] in self.held.values()]
        tokens = st.sampled_from(self.tokens)
        return data.draw(st.sampled_from(holding) | tokens if holding else tokens, label="token")

    # --- commands ---------------------------------------------------------------------------------

    @rule(by_s=st.sampled_from([0.0, 0.25, 1.0, 10.0, 31.0]))
    def time_passes(self, by_s: float) -> None:
        self.now += by_s

    @rule(tasks=st.lists(new_tasks, max_size=6))
    def insert(self, tasks: list[NewTask]) -> None:
        answers = self.same(lambda storage: storage.insert(tasks, now=self.now))

        self.note_accepted(answers)
        assert {answer.id for answer in answers} == {task.id for task in tasks}

    def note_accepted(self, answers: Sequence[Accepted]) -> None:
        self.accepted |= {each.id for each in answers if each.acceptance is not Acceptance.CLOSED}

    def note_end(self, end: GroupEnd) -> None:
        if end.then is not None:
            [group] = [each for each in self.model_groups() if each.name == end.name]
            assert (group.name, group.number) not in self.followed
            self.followed.add((group.name, group.number))
            self.accepted.add(end.then.id)

    def model_groups(self) -> list[Group]:
        return [self.model._table.group(name) for name in self.model._table.groups]

    @rule(queue=queues, limit=limits, owner=owners, lease_s=st.sampled_from([1.0, 30.0]))
    def claim(self, queue: str, limit: int, owner: Owner, lease_s: float) -> None:
        expected, claimed = self.ask(
            lambda storage: storage.claim(
                queue, limit=limit, owner=owner, lease_s=lease_s, now=self.now
            )
        )

        self.note_claimed(expected, claimed)

    @rule(
        tasks=st.lists(new_tasks | keyed_tasks, max_size=6) | ruled_lists,
        room=st.dictionaries(queues, limits, max_size=2),
        owner=owners,
    )
    def insert_and_claim(self, tasks: list[NewTask], room: dict[str, int], owner: Owner) -> None:
        (expected, claimed), (answers, claimed_too) = self.ask(
            lambda storage: storage.insert_and_claim(
                tasks, room=room, owner=owner, lease_s=30.0, now=self.now
            )
        )

        assert answers == expected
        self.note_accepted(expected)
        self.note_claimed(claimed, claimed_too)

    def note_claimed(self, expected: Sequence[Delivery], claimed: Sequence[Delivery]) -> None:
        assert [_untold(delivery) for delivery in claimed] == [
            _untold(delivery) for delivery in expected
        ]
        for model, other in zip(expected, claimed, strict=True):
            self.tokens.append((model.token, other.token))
            assert model.task.id not in self.held
            assert model.task.id not in self.over
            assert model.task.attempt <= model.task.max_attempts
            self.held[model.task.id] = model.token
            self.delivered[model.token] = model.task

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), count=st.integers(1, 4))
    def start(self, data: st.DataObject, count: int) -> None:
        pairs = [self.pick(data) for _ in range(count)]
        self.both_tokens(pairs, lambda storage, tokens: storage.start(tokens, now=self.now))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), count=st.integers(1, 4), lease_s=st.sampled_from([1.0, 30.0]))
    def extend(self, data: st.DataObject, count: int, lease_s: float) -> None:
        pairs = [self.pick(data) for _ in range(count)]
        lost, lost_by_other = self.both_tokens(
            pairs, lambda storage, tokens: storage.extend(tokens, lease_s=lease_s, now=self.now)
        )

        known = dict(self.tokens)
        assert [known[token] for token in lost] == list(lost_by_other)
        assert set(lost) == {model for model, _ in pairs} - set(self.held.values())

    def both_tokens(
        self, pairs: list[tuple[str, str]], verb: Callable[[Storage, list[str]], Awaitable[T]]
    ) -> tuple[T, T]:
        async def ask_both() -> tuple[T, T]:
            return (
                await verb(self.model, [model for model, _ in pairs]),
                await verb(self.engine, [other for _, other in pairs]),
            )

        return self.run(ask_both())

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), count=st.integers(1, 4))
    def report(self, data: st.DataObject, count: int) -> None:
        pairs = [self.pick(data) for _ in range(count)]
        progress = data.draw(st.sampled_from(["1", "2"]), label="progress")
        self.both_tokens(
            pairs,
            lambda storage, tokens: storage.report(dict.fromkeys(tokens, progress), now=self.now),
        )

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), count=st.integers(1, 5))
    def settle(self, data: st.DataObject, count: int) -> None:
        drawn = [self.draw_settlement(data) for _ in range(count)]
        self.settle_all(drawn, started_at=data.draw(st.none() | st.just(self.now - 0.125)))

    @rule(data=st.data(), queue=queues, owner=owners)
    def consume(self, data: st.DataObject, queue: str, owner: Owner) -> None:
        before = len(self.tokens)
        self.claim(queue, 4, owner, 30.0)
        claimed = self.tokens[before:]
        started_at = self.now
        if data.draw(st.booleans(), label="its start is noted"):
            self.both_tokens(claimed, lambda storage, tokens: storage.start(tokens, now=self.now))
            started_at = self.now + 0.125
        if data.draw(st.booleans(), label="is cancelled while it runs"):
            self.cancel([self.delivered[token].id for token, _ in claimed], "too late")
        elif data.draw(st.booleans(), label="reports"):
            self.both_tokens(
                claimed,
                lambda storage, tokens: storage.report(dict.fromkeys(tokens, "3"), now=self.now),
            )
        drawn = [(pair, self.settlement(data, pair)) for pair in claimed]
        self.settle_all(drawn, started_at=started_at)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), turns=st.integers(0, 3))
    def crash_while_settling(self, data: st.DataObject, turns: int) -> None:
        pair, settlement = self.draw_settlement(data)

        async def crash() -> None:
            by = SettleBy(token=pair[1], settlement=settlement)
            settling = asyncio.ensure_future(self.engine.settle([by], now=self.now))
            for _ in range(turns):  # of the loop: it may be on its way, or written
                await asyncio.sleep(0)
            self.engine.abandon()
            await asyncio.gather(settling, return_exceptions=True)
            await self.engine.open()

        self.run(crash())
        self.settle_all([(pair, settlement)], repeated=True)

    def settle_all(
        self,
        drawn: list[tuple[tuple[str, str], Settlement]],
        *,
        started_at: float | None = None,
        repeated: bool = False,
    ) -> tuple[Settled | NotApplied, ...]:
        """Settle with both; `repeated`: it may be that only the engine has done so before."""

        def settle(
            storage: Storage, tokens: list[str]
        ) -> Awaitable[tuple[Settled | NotApplied, ...]]:
            settled_by = [
                SettleBy(token=token, settlement=settlement, started_at=started_at)
                for token, (_, settlement) in zip(tokens, drawn, strict=True)
            ]
            return storage.settle(settled_by, now=self.now)

        closed = {each.name for each in self.model_groups() if each.closed_at is not None}
        expected, answers = self.both_tokens([pair for pair, _ in drawn], settle)

        if not (repeated and expected[0] in WRITTEN and answers == (Settled.REPEATED,)):
            assert [*map(_unworded, answers)] == [*map(_unworded, expected)]
        for ((token, _), settlement), answer in zip(drawn, expected, strict=True):
            if answer in WRITTEN:
                self.note_written(token, settlement, closed)
        return expected

    def note_written(self, token: str, settlement: Settlement, closed: set[str]) -> None:
        assert token not in self.written
        self.written.add(token)
        assert self.held.pop(self.delivered[token].id) == token
        if isinstance(settlement, Complete):
            own = self.delivered[token].group
            self.accepted |= {
                task.id
                for task in settlement.follow_ups
                if task.group == own or task.group not in closed
            }
            self.effects += [
                n
                for each in settlement.statements
                if "effects VALUES" in each.sql
                for n in each.parameters
            ]

    def draw_settlement(self, data: st.DataObject) -> tuple[tuple[str, str], Settlement]:
        """Draw a token, and what the rules write for an outcome of its attempt."""
        pair = self.pick(data)
        return pair, self.settlement(data, pair)

    def settlement(self, data: st.DataObject, pair: tuple[str, str]) -> Settlement:
        success, failure = self.outcomes(self.tokens.index(pair))
        outcome = data.draw(success if data.draw(st.booleans()) else failure, label="outcome")
        task = self.delivered[pair[0]]
        return policy.settlement(task, outcome, RetryPolicy(), now=self.now, jitter=0.5)

    def outcomes(self, n: int) -> tuple[st.SearchStrategy[Outcome], st.SearchStrategy[Outcome]]:
        effect = Statement(sql="INSERT INTO effects VALUES (?)", parameters=(n,))
        statements = st.one_of(CHANGES, st.sampled_from(self.seen)) if self.seen else CHANGES
        success = st.builds(
            Succeeded,
            result=st.just("1"),
            follow_ups=st.lists(new_tasks, max_size=2).map(tuple),
            statements=st.lists(statements, max_size=3).map(lambda drawn: (effect, *drawn)),
        )
        return success | st.just(Succeeded(result="2")), st.one_of(
            st.builds(Failed, error=st.just("no"), retry_in_s=st.none() | delays),
            st.just(TimedOut(after_s=1.0)),
            st.just(Crashed(error="signal 9")),
            st.builds(Snoozed, delay_s=delays),
            st.just(Conflicted(error="changed")),
            st.just(Rejected(reason="no good")),
            st.just(Cancelled(reason="unwanted")),
            st.builds(Interrupted, holder_died=st.booleans()),
        )

    @rule(statements=st.lists(CHANGES, max_size=2), query=st.one_of(LOOKS, CHANGES))
    def dry_run(self, statements: list[Statement], query: Statement) -> None:
        async def dry_run(storage: Storage) -> Rows | None:
            try:
                return await storage.dry_run(statements, query, limit_s=10.0)
            except StatementRefused:
                return None

        rows = self.same(dry_run)
        if rows is not None and not statements:
            self.seen.append(msgspec.structs.replace(query, saw=rows.digest))

    @rule(task_ids=st.lists(ids, max_size=5), reason=st.sampled_from(["", "unwanted"]))
    def cancel(self, task_ids: list[str], reason: str) -> None:
        before = {task.id: task for task in self.all_tasks()}

        expected, answers = self.ask(
            lambda storage: storage.cancel(task_ids, reason=reason, now=self.now)
        )

        known = dict(self.tokens)
        assert answers == tuple(
            msgspec.structs.replace(result, token=result.token and known[result.token])
            for result in expected
        )
        for result in expected:
            assert (result.answer is CancelAnswer.UNKNOWN) == (result.task_id not in before)
            assert result.token == self.held.get(result.task_id)
            if result.answer is CancelAnswer.CANCELLED:
                assert before[result.task_id].status not in ENDED

    @rule(task_id=ids, change=changes)
    def edit(self, task_id: str, change: Change) -> None:
        before = {task.id: task for task in self.all_tasks()}

        result = self.same(lambda storage: storage.edit(task_id, change, now=self.now))

        assert (result.answer is EditAnswer.UNKNOWN) == (task_id not in before)
        assert (result.answer is EditAnswer.HELD) == (task_id in self.held)

    @rule(task_ids=st.lists(ids, max_size=5))
    def redrive(self, task_ids: list[str]) -> None:
        redriven = self.same(lambda storage: storage.redrive(task_ids, now=self.now))

        assert set(redriven) <= self.over
        self.over -= set(redriven)

    @rule(status=st.sampled_from(sorted(ENDED)), age_s=delays, limit=limits)
    def expire(self, status: Status, age_s: float, limit: int) -> None:
        before = set(self.all_ids())
        expired = self.same(
            lambda storage: storage.expire(status, ended_before=self.now - age_s, limit=limit)
        )

        gone = before - set(self.all_ids())
        assert len(gone) == expired <= limit
        self.accepted -= gone

    @rule(limit=limits)
    def expire_waiting(self, limit: int) -> None:
        due = self.same(lambda storage: storage.next_expiry())

        expired = self.same(lambda storage: storage.expire_waiting(limit=limit, now=self.now))

        assert bool(expired) == (bool(limit) and due is not None and due <= self.now)
        assert not {task.id for task in expired} & {*self.held, *self.over}

    @rule()
    def reopen(self) -> None:
        async def reopen_both() -> None:
            for storage in (self.model, self.engine):
                await storage.close()
                await storage.open()

        self.run(reopen_both())

    @rule()
    def kill(self) -> None:
        async def kill_both() -> None:
            for storage in (self.model, self.engine):
                storage.abandon()
                await storage.open()

        self.run(kill_both())

    # --- questions --------------------------------------------------------------------------------

    @rule(status=st.one_of(st.none(), statuses), before=st.one_of(st.none(), ids), limit=limits)
    def find(self, status: Status | None, before: str | None, limit: int) -> None:
        self.same(
            lambda storage: storage.find(status=status, before=before, limit=limit, now=self.now)
        )

    @rule(owner=owners)
    def rescue(self, owner: Owner) -> None:
        rescued = self.same_deliveries(lambda storage: storage.rescue(owner, now=self.now))

        assert {delivery.token for delivery in rescued} <= set(self.held.values())

    @rule(queue=queues)
    def ahead(self, queue: str) -> None:
        for task in self.same(lambda storage: storage.find(queue=queue, limit=9, now=self.now)):
            self.same(partial(self._ahead, task))

    async def _ahead(self, task: Task, storage: Storage) -> int:
        return await storage.ahead(task, limit=3, now=self.now)

    @rule(queue=queues)
    def next_due(self, queue: str) -> None:
        self.same(lambda storage: storage.next_due(queue))

    @rule()
    def all_due(self) -> None:
        self.same(lambda storage: storage.all_due())

    def all_ids(self) -> list[str]:
        return [task.id for task in self.all_tasks()]

    def all_tasks(self) -> tuple[Task, ...]:
        return self.same(lambda storage: storage.find(limit=1000, now=self.now))

    # --- what always holds ------------------------------------------------------------------------

    @invariant()
    def all_that_was_accepted_is_there_and_alike(self) -> None:
        tasks = self.all_tasks()
        counts = self.same(lambda storage: storage.counts())
        self.same(lambda storage: storage.depths())
        histories = self.same(self.all_histories)
        for task in tasks:
            self.is_sound(task, histories.pop(task.id))
        assert set(histories.values()) <= {None}

        assert {task.id for task in tasks} == self.accepted
        assert sum(counts.values()) == len(self.accepted)
        ended = {task.id for task in tasks if task.status in ENDED}
        assert self.over & self.accepted <= ended
        self.over = ended
        standing = Counter(task.status for task in tasks)
        for status in ENDED | {Status.RUNNING, Status.RETRYING}:
            assert standing[status] == counts[status]

    async def all_histories(self, storage: Storage) -> dict[str, TaskHistory | None]:
        task_ids = sorted({*IDS, *self.accepted})
        found = await asyncio.gather(*(storage.get(task_id, now=self.now) for task_id in task_ids))
        return dict(zip(task_ids, found, strict=True))

    def is_sound(self, task: Task, history: TaskHistory | None) -> None:
        assert history is not None
        assert history.task == task
        assert (task.status in ENDED) == (task.processed_at is not None)
        assert 0 <= task.attempt <= min(task.deliveries, task.max_attempts)
        assert (task.status is Status.RUNNING) <= (task.id in self.held)
        if task.status in ENDED:
            assert task.id not in self.held
        elif task.id not in self.held:
            assert task.cancel_reason is None

    @invariant()
    def what_handlers_wrote_is_there_once_and_alike(self) -> None:
        content = self.same(lambda storage: storage.dry_run((), CONTENT, limit_s=10.0))

        assert [n for n, value in content.rows if value is None] == sorted(self.effects)

    # --- keys, and what an operator does ----------------------------------------------------------

    @rule(tasks=st.lists(keyed_tasks, max_size=6) | ruled_lists)
    def insert_under_keys(self, tasks: list[NewTask]) -> None:
        answers = self.same(lambda storage: storage.insert(tasks, now=self.now))

        assert len(answers) == len(tasks)
        self.note_accepted(answers)
        holders = [
            (history.task.unique_key, history.key.scope)
            for history in self.same(self.all_histories).values()
            if history is not None and history.key is not None and not history.key.is_free
        ]
        assert len(holders) == len(set(holders))

    @rule(
        status=st.one_of(st.none(), statuses),
        action=st.one_of(st.none(), st.sampled_from(["echo", "mail"])),
        queue=st.one_of(st.none(), queues),
        before=st.one_of(st.none(), ids),
        limit=limits,
    )
    def find_some(
        self,
        status: Status | None,
        action: str | None,
        queue: str | None,
        before: str | None,
        limit: int,
    ) -> None:
        self.same(
            lambda storage: storage.find(
                status=status, action=action, queue=queue, before=before, limit=limit, now=self.now
            )
        )

    @rule(
        wanted=filters,
        after=st.one_of(st.none(), ids),
        sort=st.sampled_from(Sort),
        limit=limits,
        max_rows=limits,
    )
    def search(
        self, wanted: TaskFilter, after: str | None, sort: Sort, limit: int, max_rows: int
    ) -> None:
        found = self.same(
            lambda storage: storage.search(
                wanted, after=after, sort=sort, limit=limit, max_rows=max_rows, now=self.now
            )
        )

        assert all(map(wanted.matches, found.tasks))

    @rule(task_ids=st.lists(ids, max_size=5))
    def delete(self, task_ids: list[str]) -> None:
        ended = {task.id for task in self.all_tasks() if task.status in ENDED}

        deleted = self.same(lambda storage: storage.delete(task_ids))

        assert set(deleted) == ended & set(task_ids)
        self.accepted -= set(deleted)

    # --- groups -----------------------------------------------------------------------------------

    @rule(
        name=groups,
        then=st.none() | what_follows,
        tasks=st.lists(new_tasks | keyed_tasks, max_size=3),
    )
    def close_group(self, name: str, then: NewTask | None, tasks: list[NewTask]) -> None:
        wanted = Close(name=name, then=then)

        result = self.same(lambda storage: storage.close_group(wanted, tasks, now=self.now))

        self.note_accepted(result.accepted)
        assert result.group.closed_at is not None

    @rule(before=st.none() | st.integers(1, 4), ended=st.none() | st.booleans(), limit=limits)
    def list_groups(self, before: int | None, ended: bool | None, limit: int) -> None:
        self.same(lambda storage: storage.groups(before=before, ended=ended, limit=limit))

    @invariant()
    def groups_count_their_members(self) -> None:
        found = self.same(lambda storage: storage.groups(limit=9))
        tasks = self.all_tasks()
        names = {task.group for task in tasks} - {None}
        assert names <= {group.name for group in found}
        self.followed &= {(group.name, group.number) for group in found}
        for group in found:
            standing = Counter(task.status for task in tasks if task.group == group.name)
            for status in set(Status) - {Status.QUEUED, Status.SCHEDULED}:
                assert group.tasks[status] == standing[status]
            assert group.total == standing.total()
            is_over = group.closed_at is not None and not group.live
            assert (group.ended_at is not None) == is_over
            if is_over and group.then is not None:
                assert group.then_at is not None

    @rule(queue=queues)
    def pause(self, queue: str) -> None:
        self.same(lambda storage: storage.pause(queue, now=self.now))

    @rule(queue=queues)
    def resume(self, queue: str) -> None:
        self.same(lambda storage: storage.resume(queue))

    @rule()
    def paused(self) -> None:
        self.same(lambda storage: storage.paused())

    @rule()
    def probe(self) -> None:
        self.same(lambda storage: storage.probe())

    @invariant()
    def held_is_what_was_claimed_and_not_settled(self) -> None:
        async def all_held(storage: Storage) -> tuple[Delivery, ...]:
            of_each = await asyncio.gather(*(storage.held(owner) for owner in OWNERS))
            return tuple(delivery for held in of_each for delivery in held)

        held = self.same_deliveries(all_held)

        assert {delivery.task.id: delivery.token for delivery in held} == self.held


def _untold(delivery: Delivery) -> Delivery:
    return msgspec.structs.replace(delivery, token="")


def _unworded(answer: Settled | NotApplied) -> Settled | NotApplied:
    # The model has no table of tasks, and so says otherwise why nobody may write into it.
    if isinstance(answer, NotApplied):
        return msgspec.structs.replace(answer, error="")
    return answer


TestModel = pytest.mark.timeout(600)(TwoStorages.TestCase)
TestModel.settings = settings(
    max_examples=share_of(25),
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
