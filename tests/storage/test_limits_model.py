"""Both engines hold limits alike: nothing beyond them, and nothing forgotten behind them."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from taskqueue.rules.edits import Change
from taskqueue.rules.limits import LimitUse, LimitValues, decoded, encoded
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    DeadLetter,
    Delivery,
    NewTask,
    Owner,
    Postpone,
    Release,
    Requeue,
    SettleBy,
    Settlement,
    Unfinished,
)
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.operations import claiming, inserting
from tests.examples_of_hypothesis import share_of

pytestmark = pytest.mark.timeout(240)  # thousands of commits, perhaps on a busy machine

T = TypeVar("T")

ME = Owner(node="here", incarnation="1")
QUEUES = ("a", "b")
NAMES = ("slots", "rate")

slots_values = st.builds(LimitValues, running=st.sampled_from([1, 2, 1, 3]))
rate_values = st.builds(
    LimitValues,
    running=st.sampled_from([None, 2]),
    starts=st.sampled_from([1, 2]),
    per_s=st.sampled_from([1.0, 8.0]),
    burst=st.integers(1, 3),
)
values = slots_values | rate_values
uses = st.one_of(
    st.builds(LimitUse, st.just("slots"), st.sampled_from([None, "x", "y"]), st.just(1.0)),
    st.builds(LimitUse, st.just("rate"), st.sampled_from([None, "x"]), st.just(1.0)),
)
use_lists = st.lists(uses, min_size=0, max_size=2, unique_by=lambda use: use.gate).map(tuple)


class TwoStorages(RuleBasedStateMachine):
    """Drives both engines with the same commands; what they claim has to be the same."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.model = MemoryStorage()
        self.engine = self.make_engine()
        self.now = 0.0
        self.names = 0
        # By id: both tokens, the limits, and the instant of the claim.
        self.held: dict[str, tuple[str, str, str | None, float]] = {}
        self.allowed: dict[str, LimitValues] = {}
        self.starts: dict[str, list[float]] = {}  # by gate, since its limit has its values
        self.returns: dict[str, list[float]] = {}  # of starts from before that

    @initialize(slots=slots_values, rate=rate_values, backlog=st.lists(use_lists, max_size=3))
    def open(
        self, slots: LimitValues, rate: LimitValues, backlog: list[tuple[LimitUse, ...]]
    ) -> None:
        async def open_both() -> None:
            for storage in (self.model, self.engine):
                await storage.migrate()
                await storage.open()
                await storage.declare_limits({"slots": slots, "rate": rate}, now=self.now)

        self.run(open_both())
        self.allowed = {"slots": slots, "rate": rate}
        for each in backlog:
            self.insert(queue="a", uses=each, count=3, priority=0, delay_s=None, claims=False)

    def make_engine(self) -> Storage:
        """Return what is compared with the model."""
        return SQLiteStorage(Path(self.folder.name) / "t.db", synchronous="NORMAL")

    def teardown(self) -> None:
        self.run(self.engine.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.get_loop().run_until_complete(work)

    def both(self, verb: Callable[[Storage], Awaitable[T]]) -> tuple[T, T]:
        async def ask_both() -> tuple[T, T]:
            return await verb(self.model), await verb(self.engine)

        return self.run(ask_both())

    @rule(by_s=st.sampled_from([0.0, 0.5, 1.0, 4.0, 20.0]))
    def time_passes(self, by_s: float) -> None:
        self.now += by_s

    @rule(
        queue=st.sampled_from(QUEUES),
        uses=use_lists,
        count=st.integers(1, 4),
        priority=st.sampled_from([0, 1, 3]),
        delay_s=st.sampled_from([None, 2.0]),
        claims=st.booleans(),
        flow=st.sampled_from([None, None, "x", "y"]),
        weight=st.sampled_from([1.0, 0.5, 2.0]),
    )
    def insert(
        self,
        *,
        queue: str,
        uses: tuple[LimitUse, ...],
        count: int,
        priority: int,
        delay_s: float | None,
        claims: bool,
        flow: str | None = None,
        weight: float = 1.0,
    ) -> None:
        tasks = [
            NewTask(
                id=f"{self.names + n:05}",
                action="act",
                payload="{}",
                queue=queue,
                priority=priority,
                run_at=None if delay_s is None else self.now + delay_s,
                limits=encoded(uses),
                flow=flow,
                weight=weight,
            )
            for n in range(count)
        ]
        self.names += count
        if not claims or self.limited_wait(queue):
            self.both(lambda storage: storage.insert(tasks, now=self.now))
            return
        (_, expected), (_, claimed) = self.both(
            lambda storage: storage.insert_and_claim(
                tasks, room={queue: 2}, owner=ME, lease_s=30.0, now=self.now
            )
        )
        self.note(expected, claimed)

    def limited_wait(self, queue: str) -> bool:
        """Whether it depends on what the engine has parked if an insert claims."""
        found = self.run(self.model.find(queue=queue, limit=1_000, now=self.now))
        return any(task.limits is not None and task.processed_at is None for task in found)

    @rule(
        queue=st.sampled_from(QUEUES),
        limit=st.integers(0, 6),
        most_limited=st.none() | st.integers(0, 3),
        ageing_s=st.sampled_from([None, None, 0.5, 4.0]),
        chain=st.sampled_from([0, 0, 1, 4]),
    )
    def claim(
        self,
        queue: str,
        limit: int,
        most_limited: int | None,
        chain: int = 0,
        ageing_s: float | None = None,
    ) -> None:
        # What waits for a limit is let in by its place, so it depends on what the engine has parked
        # which of it is there to be ordered by age.
        if ageing_s is not None and self.limited_wait(queue):
            ageing_s = None
        expected, claimed = self.both(
            lambda storage: storage.claim(
                queue,
                limit=limit,
                most_limited=most_limited,
                chain=chain,
                ageing_s=ageing_s,
                owner=ME,
                lease_s=30.0,
                now=self.now,
            )
        )
        self.note(self.without_surplus(expected, claimed), claimed)
        claimed = [each for each in claimed if not each.chained]
        if most_limited is None and len(claimed) < limit:
            _, due = self.both(lambda storage: storage.next_due(queue))
            assert due is None or due > self.now

    def without_surplus(
        self, expected: Sequence[Delivery], claimed: Sequence[Delivery]
    ) -> Sequence[Delivery]:
        """Release what the model has chained beyond the other; an engine may chain fewer."""
        chained = Counter(each.task.limits for each in claimed if each.chained)
        kept, surplus = [], []
        for each in expected:
            if each.chained and not chained[each.task.limits]:
                surplus.append(SettleBy(token=each.token, settlement=Release()))
            else:
                chained[each.task.limits] -= each.chained
                kept.append(each)
        self.run(self.model.settle(surplus, now=self.now))
        return kept

    def note(self, expected: Sequence[Delivery], claimed: Sequence[Delivery]) -> None:
        assert [(each.task, each.chained) for each in claimed] == [
            (each.task, each.chained) for each in expected
        ]
        for model, engine in zip(expected, claimed, strict=True):
            tokens = (model.token, engine.token)
            self.held[model.task.id] = (*tokens, model.task.limits, self.now)
            for use in decoded(model.task.limits) if not model.chained else ():
                most = self.allowed[use.name].running
                assert most is None or self.running(use.gate) <= most
                self.begins(use)

    def begins(self, use: LimitUse) -> None:
        """In any `t` seconds at most `burst + t * starts / per_s` starts happen.

        A start that is given back does not count, but under values that it was not made under.
        """
        starts = self.starts.setdefault(use.gate, [])
        starts.append(self.now)
        values, returns = self.allowed[use.name], self.returns.get(use.gate, [])
        if values.starts is None:
            return
        for number, since in enumerate(starts):
            may = (values.burst or 1) + (self.now - since) * values.starts / (values.per_s or 1)
            again = sum(at >= since for at in returns)
            assert len(starts) - number <= may + again + 1e-6, f"{use.gate}: {starts}, {returns}"

    def running(self, gate: str) -> int:
        keys = self.run(self.engine.limit_keys(gate.partition("/")[0], limit=9, now=self.now))
        key = gate.partition("/")[2] or None
        return sum(each.running for each in keys if each.key == key)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), count=st.integers(1, 3))
    def settle(self, data: st.DataObject, count: int) -> None:
        chosen = data.draw(
            st.lists(st.sampled_from(sorted(self.held)), min_size=1, max_size=count, unique=True)
        )
        settlements: list[Settlement] = [
            data.draw(
                st.sampled_from(
                    [
                        Complete(result="1"),
                        Release(),
                        Requeue(run_at=self.now + 1, outcome=AttemptOutcome.FAILED, error="no"),
                        Postpone(run_at=self.now + 1),
                        DeadLetter(reason="no", outcome=AttemptOutcome.FAILED, error="no"),
                    ]
                )
            )
            for _ in chosen
        ]

        async def settle_both() -> None:
            for place, storage in enumerate((self.model, self.engine)):
                await storage.settle(
                    [
                        SettleBy(token=self.held[task_id][place], settlement=settlement)
                        for task_id, settlement in zip(chosen, settlements, strict=True)
                    ],
                    now=self.now,
                )

        self.run(settle_both())
        for task_id, settlement in zip(chosen, settlements, strict=True):
            *_, limits, claimed_at = self.held.pop(task_id)
            for use in decoded(limits) if isinstance(settlement, Release | Postpone) else ():
                self.returned(use.gate, claimed_at)

    def returned(self, gate: str, claimed_at: float) -> None:
        starts = self.starts.get(gate, [])
        if claimed_at in starts:
            starts.remove(claimed_at)
        else:
            self.returns.setdefault(gate, []).append(self.now)

    @rule(data=st.data(), queue=st.sampled_from(QUEUES), times=st.integers(1, 3))
    def consume(self, data: st.DataObject, queue: str, times: int) -> None:
        for _ in range(times):
            self.claim(queue, 4, None, data.draw(st.sampled_from([0, 3])))
            if self.held:
                self.settle(data, 4)
        self.claim(queue, 6, None)

    @rule(
        queue=st.sampled_from(QUEUES),
        key=st.sampled_from([None, "x"]),
        count=st.integers(2, 5),
        chain=st.integers(1, 4),
        data=st.data(),
    )
    def run_chain(
        self, queue: str, key: str | None, count: int, chain: int, data: st.DataObject
    ) -> None:
        """Insert tasks with a limit, claim some with a chain, and settle some of these."""
        uses = (LimitUse("slots", key),)
        self.insert(
            queue=queue, uses=uses, count=count, priority=0, delay_s=None, claims=False, flow=None
        )
        self.claim(queue, 6, None, chain)
        if self.held:
            self.look(data)
            self.settle(data, 3)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        """What a held task waits for, if it is chained."""
        task_id = data.draw(st.sampled_from(sorted(self.held)))
        expected, found = self.both(lambda storage: storage.gate_of(task_id, now=self.now))
        assert (found and (found.running, found.count)) == (
            expected and (expected.running, expected.count)
        )

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task_id = f"{data.draw(st.integers(0, self.names - 1)):05}"
        if task_id not in self.held:
            self.both(lambda storage: storage.cancel([task_id], reason="no", now=self.now))

    @precondition(lambda self: self.names)
    @rule(
        data=st.data(), priority=st.none() | st.integers(0, 1), delay_s=st.sampled_from([None, 3.0])
    )
    def edit(self, data: st.DataObject, priority: int | None, delay_s: float | None) -> None:
        task_id = f"{data.draw(st.integers(0, self.names - 1)):05}"
        run_at = None if delay_s is None else self.now + delay_s
        change = Change(priority=priority, run_at=run_at)
        self.both(lambda storage: storage.edit(task_id, change, now=self.now))

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        task_id = f"{data.draw(st.integers(0, self.names - 1)):05}"
        self.both(lambda storage: storage.redrive([task_id], now=self.now))

    @rule(name=st.sampled_from(NAMES), changed=st.none() | values)
    def change_limit(self, name: str, changed: LimitValues | None) -> None:
        self.both(lambda storage: storage.change_limit(name, changed, now=self.now))
        usages, _ = self.both(lambda storage: storage.limits(now=self.now))
        self.allowed = {usage.name: usage.values for usage in usages}
        for gate in [each for each in self.starts if each.partition("/")[0] == name]:
            del self.starts[gate]

    @rule(use=uses)
    def take(self, use: LimitUse) -> None:
        expected, taken = self.both(lambda storage: storage.take_starts(use, now=self.now))
        assert taken == expected
        if taken is not None and taken.granted:
            self.begins(use)

    @rule(queue=st.sampled_from(QUEUES), pauses=st.booleans())
    def pause(self, queue: str, pauses: bool) -> None:
        if pauses:
            self.both(lambda storage: storage.pause(queue, now=self.now))
        else:
            self.both(lambda storage: storage.resume(queue))

    @rule()
    def reopen(self) -> None:
        async def reopen() -> None:
            self.engine.abandon()
            await self.engine.open()

        self.run(reopen())

    @invariant()
    def the_same_runs(self) -> None:
        if not self.allowed:
            return
        expected, found = self.both(lambda storage: storage.limits(now=self.now))
        assert [(each.name, each.values, each.running) for each in found] == [
            (each.name, each.values, each.running) for each in expected
        ]


class ToTheEnd:
    """Has the claims of an engine go on until they are finished."""

    async def claim(
        self, queue: str, *, limit: int, most_limited: int | None, chain: int, **how: Any
    ) -> tuple[Delivery, ...]:
        claimed: tuple[Delivery, ...] = ()
        while True:
            left = limit if most_limited is None else most_limited
            left -= sum(each.task.limits is not None for each in claimed)
            found = await super().claim(  # type: ignore[misc]
                queue, limit=limit - len(claimed), most_limited=left, chain=0, **how
            )
            claimed += tuple(found)
            if not isinstance(found, Unfinished):
                return claimed


class SQLiteToTheEnd(ToTheEnd, SQLiteStorage):
    """SQLite."""


class InPortions(TwoStorages):
    """Drives them with a claim that parks two rows at most."""

    modules: tuple[ModuleType, ...] = (claiming, inserting)

    def __init__(self) -> None:
        self.patch = pytest.MonkeyPatch()
        for module in self.modules:
            self.patch.setattr(module, "MOST_PARKED", 2)
        super().__init__()

    def make_engine(self) -> Storage:
        return SQLiteToTheEnd(Path(self.folder.name) / "t.db", synchronous="NORMAL")

    def teardown(self) -> None:
        super().teardown()
        self.patch.undo()


for machine in (TwoStorages, InPortions):
    machine.TestCase.settings = settings(
        max_examples=share_of(60),
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
TestLimits = pytest.mark.timeout(240)(TwoStorages.TestCase)
TestLimitsInPortions = pytest.mark.timeout(240)(InPortions.TestCase)
