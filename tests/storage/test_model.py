"""SQLite answers whatever is asked as the obvious storage does, and both keep the invariants."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
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

from taskqueue.storage.memory import MemoryStorage
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite import SQLiteStorage
from taskqueue.tasks import (
    ENDED,
    AttemptOutcome,
    Cancel,
    Complete,
    DeadLetter,
    Delivery,
    HandBack,
    NewTask,
    Owner,
    Postpone,
    Requeue,
    SettleBy,
    Settled,
    Settlement,
    Status,
    Task,
    TaskHistory,
)

T = TypeVar("T")
Verb = Callable[[Storage], Awaitable[T]]

QUEUES = ("default", "mail")
IDS = tuple(f"{n:02}" for n in range(12))  # few, so that equal ids meet
OWNERS = tuple(Owner(node=node, incarnation=life) for node in "ab" for life in "12")

ids = st.sampled_from(IDS)
owners = st.sampled_from(OWNERS)
queues = st.sampled_from(QUEUES)
statuses = st.sampled_from(Status)
delays = st.sampled_from([-3.0, 0.0, 0.5, 4.0, 30.0])
outcomes = st.sampled_from([AttemptOutcome.FAILED, AttemptOutcome.CRASHED])
limits = st.integers(0, 6)

new_tasks = st.builds(
    NewTask,
    id=ids,
    action=st.just("echo"),
    payload=st.sampled_from(['{"data": 1}', '{"data": "é"}']),
    queue=queues,
    priority=st.integers(-1, 2),
    run_at=st.one_of(st.none(), st.integers(0, 60).map(float)),
    max_attempts=st.integers(1, 3),
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
)


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
        self.sqlite = SQLiteStorage(Path(self.folder.name) / "t.db", synchronous="NORMAL")
        self.now = 0.0
        self.accepted: set[str] = set()
        self.tokens: list[tuple[str, str]] = []
        self.written: set[str] = set()
        self.held: dict[str, str] = {}  # task id: token

    @initialize()
    def open(self) -> None:
        async def open_both() -> None:
            for storage in (self.model, self.sqlite):
                await storage.migrate()
                await storage.open()

        self.run(open_both())

    def teardown(self) -> None:
        self.run(self.sqlite.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def ask(self, verb: Verb[T]) -> tuple[T, T]:
        async def ask_both() -> tuple[T, T]:
            return await verb(self.model), await verb(self.sqlite)

        return self.run(ask_both())

    def same(self, verb: Verb[T]) -> T:
        """Ask both, check that they answer alike, return the answer."""
        expected, answer = self.ask(verb)
        assert answer == expected
        return answer

    def same_deliveries(self, verb: Verb[tuple[Delivery, ...]]) -> tuple[Delivery, ...]:
        expected, answer = self.ask(verb)
        known = {sqlite: model for model, sqlite in self.tokens}
        assert expected == tuple(
            msgspec.structs.replace(delivery, token=known[delivery.token]) for delivery in answer
        )
        return expected

    def pick(self, data: st.DataObject) -> tuple[str, str]:
        return data.draw(st.sampled_from(self.tokens), label="token")

    # --- commands ---------------------------------------------------------------------------------

    @rule(by_s=st.sampled_from([0.0, 0.25, 1.0, 10.0, 31.0]))
    def time_passes(self, by_s: float) -> None:
        self.now += by_s

    @rule(tasks=st.lists(new_tasks, max_size=6))
    def insert(self, tasks: list[NewTask]) -> None:
        self.same(lambda storage: storage.insert(tasks, now=self.now))
        self.accepted |= {task.id for task in tasks}

    @rule(queue=queues, limit=limits, owner=owners, lease_s=st.sampled_from([1.0, 30.0]))
    def claim(self, queue: str, limit: int, owner: Owner, lease_s: float) -> None:
        expected, claimed = self.ask(
            lambda storage: storage.claim(
                queue, limit=limit, owner=owner, lease_s=lease_s, now=self.now
            )
        )

        assert [_untold(delivery) for delivery in claimed] == [
            _untold(delivery) for delivery in expected
        ]
        for model, sqlite in zip(expected, claimed, strict=True):
            self.tokens.append((model.token, sqlite.token))
            assert model.task.id not in self.held
            assert model.task.status not in ENDED
            self.held[model.task.id] = model.token

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), count=st.integers(1, 4))
    def start(self, data: st.DataObject, count: int) -> None:
        pairs = [self.pick(data) for _ in range(count)]
        self.both_tokens(pairs, lambda storage, tokens: storage.start(tokens, now=self.now))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), count=st.integers(1, 4), lease_s=st.sampled_from([1.0, 30.0]))
    def extend(self, data: st.DataObject, count: int, lease_s: float) -> None:
        pairs = [self.pick(data) for _ in range(count)]
        lost, lost_by_sqlite = self.both_tokens(
            pairs, lambda storage, tokens: storage.extend(tokens, lease_s=lease_s, now=self.now)
        )

        known = dict(self.tokens)
        assert [known[token] for token in lost] == list(lost_by_sqlite)
        assert set(lost) == {model for model, _ in pairs} - set(self.held.values())

    def both_tokens(
        self, pairs: list[tuple[str, str]], verb: Callable[[Storage, list[str]], Awaitable[T]]
    ) -> tuple[T, T]:
        async def ask_both() -> tuple[T, T]:
            return (
                await verb(self.model, [model for model, _ in pairs]),
                await verb(self.sqlite, [sqlite for _, sqlite in pairs]),
            )

        return self.run(ask_both())

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), count=st.integers(1, 5))
    def settle(self, data: st.DataObject, count: int) -> None:
        drawn = [(self.pick(data), self.settlement(data)) for _ in range(count)]
        pairs = [pair for pair, _ in drawn]

        def settle(storage: Storage, tokens: list[str]) -> Awaitable[tuple[Settled, ...]]:
            settled_by = [
                SettleBy(token=token, settlement=settlement)
                for token, (_, settlement) in zip(tokens, drawn, strict=True)
            ]
            return storage.settle(settled_by, now=self.now)

        expected, answers = self.both_tokens(pairs, settle)

        assert answers == expected
        for ((token, _), settlement), answer in zip(drawn, answers, strict=True):
            if answer is Settled.WRITTEN:
                assert token not in self.written
                self.written.add(token)
                self.held = {task: held for task, held in self.held.items() if held != token}
                if isinstance(settlement, Complete):
                    self.accepted |= {task.id for task in settlement.follow_ups}

    def settlement(self, data: st.DataObject) -> Settlement:
        run_at = self.now + data.draw(delays, label="delay")
        return data.draw(
            st.one_of(
                st.builds(
                    Complete,
                    result=st.just("1"),
                    follow_ups=st.lists(new_tasks, max_size=2).map(tuple),
                ),
                st.builds(Requeue, run_at=st.just(run_at), outcome=outcomes, error=st.just("no")),
                st.builds(Postpone, run_at=st.just(run_at)),
                st.builds(
                    DeadLetter, reason=st.just("dead"), outcome=outcomes, error=st.just("no")
                ),
                st.builds(Cancel, reason=st.just("unwanted")),
                st.builds(HandBack),
            ),
            label="settlement",
        )

    @rule(task_ids=st.lists(ids, max_size=5))
    def redrive(self, task_ids: list[str]) -> None:
        self.same(lambda storage: storage.redrive(task_ids, now=self.now))

    @rule(status=st.sampled_from(sorted(ENDED)), age_s=delays, limit=limits)
    def prune(self, status: Status, age_s: float, limit: int) -> None:
        before = set(self.all_ids())
        pruned = self.same(
            lambda storage: storage.prune(status, ended_before=self.now - age_s, limit=limit)
        )

        gone = before - set(self.all_ids())
        assert len(gone) == pruned <= limit
        self.accepted -= gone

    @rule()
    def reopen(self) -> None:
        async def reopen_both() -> None:
            for storage in (self.model, self.sqlite):
                await storage.close()
                await storage.open()

        self.run(reopen_both())

    # --- questions --------------------------------------------------------------------------------

    @rule(status=st.one_of(st.none(), statuses), before=st.one_of(st.none(), ids), limit=limits)
    def find(self, status: Status | None, before: str | None, limit: int) -> None:
        self.same(
            lambda storage: storage.find(status=status, before=before, limit=limit, now=self.now)
        )

    @rule(task_id=ids)
    def get(self, task_id: str) -> None:
        self.same(lambda storage: storage.get(task_id, now=self.now))

    @rule(owner=owners)
    def rescue(self, owner: Owner) -> None:
        rescued = self.same_deliveries(lambda storage: storage.rescue(owner, now=self.now))

        assert {delivery.token for delivery in rescued} <= set(self.held.values())

    @rule(owner=owners)
    def ask_held(self, owner: Owner) -> None:
        self.same_deliveries(lambda storage: storage.held(owner))

    @rule(queue=queues)
    def next_due(self, queue: str) -> None:
        self.same(lambda storage: storage.next_due(queue))

    def all_ids(self) -> list[str]:
        return [task.id for task in self.all_tasks()]

    def all_tasks(self) -> tuple[Task, ...]:
        return self.same(lambda storage: storage.find(limit=1000, now=self.now))

    # --- what always holds ------------------------------------------------------------------------

    @invariant()
    def all_that_was_accepted_is_there_and_alike(self) -> None:
        tasks = self.all_tasks()
        counts = self.same(lambda storage: storage.counts())
        for task in tasks:
            history = self.same(lambda storage, id_=task.id: storage.get(id_, now=self.now))
            self.is_sound(task, history)

        assert {task.id for task in tasks} == self.accepted
        assert sum(counts.values()) == len(self.accepted)

    def is_sound(self, task: Task, history: TaskHistory | None) -> None:
        assert history is not None
        assert history.task == task
        assert (task.status in ENDED) == (task.processed_at is not None)
        assert 0 <= task.attempt <= task.deliveries
        assert (task.status is Status.RUNNING) <= (task.id in self.held)
        if task.status in ENDED:
            assert task.id not in self.held

    # --- keys, and what an operator does ----------------------------------------------------------

    @rule(tasks=st.lists(keyed_tasks, max_size=6))
    def insert_under_keys(self, tasks: list[NewTask]) -> None:
        answers = self.same(lambda storage: storage.insert(tasks, now=self.now))

        assert len(answers) == len(tasks)
        self.accepted |= {each.id for each in answers}
        holders = [task.unique_key for task in self.all_tasks() if task.unique_key is not None]
        assert len(holders) == len(set(holders))

    @rule(
        status=st.one_of(st.none(), statuses),
        action=st.one_of(st.none(), st.sampled_from(["echo", "mail"])),
        queue=st.one_of(st.none(), queues),
        limit=limits,
    )
    def find_some(
        self, status: Status | None, action: str | None, queue: str | None, limit: int
    ) -> None:
        self.same(
            lambda storage: storage.find(
                status=status, action=action, queue=queue, limit=limit, now=self.now
            )
        )

    @rule(task_ids=st.lists(ids, max_size=5))
    def purge(self, task_ids: list[str]) -> None:
        ended = {task.id for task in self.all_tasks() if task.status in ENDED}

        purged = self.same(lambda storage: storage.purge(task_ids))

        assert set(purged) == ended & set(task_ids)
        self.accepted -= set(purged)

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
        held = [
            delivery
            for owner in OWNERS
            for delivery in self.same_deliveries(lambda storage, owner=owner: storage.held(owner))
        ]

        assert {delivery.task.id: delivery.token for delivery in held} == self.held


def _untold(delivery: Delivery) -> Delivery:
    return msgspec.structs.replace(delivery, token="")


TestModel = pytest.mark.timeout(180)(TwoStorages.TestCase)
TestModel.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
