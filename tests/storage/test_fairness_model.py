"""Both engines give the same turns, and none keeps a flow waiting for longer than is promised."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    Delivery,
    NewTask,
    Owner,
    Postpone,
    Release,
    Requeue,
    SettleBy,
    Settlement,
)
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from tests.examples_of_hypothesis import share_of

T = TypeVar("T")

ME = Owner(node="here", incarnation="1")
FLOWS = ("a", "b", "c", "d")


class Wait:
    """How long a flow has waited for its first start: with whom, and for how many."""

    def __init__(self) -> None:
        self.lanes: set[tuple[str, bool]] = set()  # of others: a flow, and whether it is retries
        self.starts = 0


class Fairness(RuleBasedStateMachine):
    """Flows of weight 1 in one queue, on both engines."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.model = MemoryStorage()
        self.engine = self.make_engine()
        self.now = 0.0
        self.names = 0
        self.due: dict[str, tuple[float, bool]] = {}  # what is not held: from when, and is it again
        self.released: set[str] = set()  # have had their turn
        self.held: dict[str, tuple[Delivery, Delivery]] = {}
        self.waiting: set[str] = set()  # flows that had something due after the last claim
        self.waits: dict[str, Wait] = {}  # of those that had nothing

    @initialize(backlog=st.integers(0, 30))
    def open(self, backlog: int) -> None:
        async def open_both() -> None:
            for storage in (self.model, self.engine):
                await storage.migrate()
                await storage.open()

        self.run(open_both())
        self.insert("a", backlog, None)

    def make_engine(self) -> Storage:
        """Return what is compared with the model."""
        return SQLiteStorage(Path(self.folder.name) / "t.db", synchronous="NORMAL")

    def teardown(self) -> None:
        self.run(self.engine.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.get_loop().run_until_complete(work)

    # --- commands ---------------------------------------------------------------------------------

    @rule(by_s=st.sampled_from([0.5, 1.0, 5.0]))
    def time_passes(self, by_s: float) -> None:
        self.now += by_s

    @rule(
        flow=st.sampled_from(FLOWS),
        count=st.sampled_from([1, 1, 2, 8]),
        delay_s=st.sampled_from([None, None, 2.0]),
    )
    def insert(self, flow: str, count: int, delay_s: float | None) -> None:
        run_at = None if delay_s is None else self.now + delay_s
        ids = [f"{flow}{self.names + number:05}" for number in range(count)]
        self.names += count
        tasks = [
            NewTask(id=each, action="act", payload="{}", run_at=run_at, flow=flow) for each in ids
        ]

        async def insert_both() -> None:
            for storage in (self.model, self.engine):
                await storage.insert(tasks, now=self.now)

        self.run(insert_both())
        for each in ids:
            self.due[each] = (self.now if run_at is None else run_at, False)

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        async def claim_both() -> list[tuple[Delivery, ...]]:
            return [
                await storage.claim("default", limit=limit, owner=ME, lease_s=30.0, now=self.now)
                for storage in (self.model, self.engine)
            ]

        self.begin_waits()
        expected, claimed = self.run(claim_both())
        assert [each.task for each in claimed] == [each.task for each in expected]
        for model, engine in zip(expected, claimed, strict=True):
            self.begins(engine.task.id)
            self.held[engine.task.id] = model, engine
        self.waiting = {flow for flow, _ in self.lanes()}

    @precondition(lambda self: self.held)
    @rule(data=st.data(), count=st.integers(1, 8))
    def settle(self, data: st.DataObject, count: int) -> None:
        ends = st.sampled_from(["completes", "completes", "fails", "fails", "snoozes", "releases"])
        for task_id in sorted(self.held)[:count]:
            self.end(task_id, data.draw(ends))

    @rule()
    def all_that_run_fail(self) -> None:
        for task_id in sorted(self.held):
            self.end(task_id, "fails")

    @rule()
    def reopen(self) -> None:
        async def reopen() -> None:
            self.engine.abandon()
            await self.engine.open()

        self.run(reopen())

    # --- the promise ------------------------------------------------------------------------------

    def begin_waits(self) -> None:
        """Note which flows have something due, and beside which others."""
        lanes = self.lanes()
        for flow in {flow for flow, _ in lanes} - self.waiting:
            self.waits[flow] = Wait()
        for flow, wait in self.waits.items():
            wait.lanes |= {lane for lane in lanes if lane[0] != flow}

    def lanes(self) -> set[tuple[str, bool]]:
        due = [(task_id[0], again) for task_id, (at, again) in self.due.items() if at <= self.now]
        return set(due)

    def begins(self, task_id: str) -> None:
        """Each other flow that waits for its first start since has waited for one start more."""
        flow = task_id[0]
        del self.due[task_id]
        self.waits.pop(flow, None)
        if task_id in self.released:
            self.released.discard(task_id)
            return
        for other, wait in self.waits.items():
            wait.starts += 1
            assert wait.starts <= len(wait.lanes), f"{other} still waits: {wait.lanes}"

    # --- steps ------------------------------------------------------------------------------------

    def end(self, task_id: str, how: str) -> None:
        later = self.now + 1.0
        settlements: dict[str, Settlement] = {
            "completes": Complete(result="1"),
            "fails": Requeue(run_at=later, outcome=AttemptOutcome.FAILED, error="no"),
            "snoozes": Postpone(run_at=later),
            "releases": Release(),
        }

        async def settle_both() -> None:
            both = zip((self.model, self.engine), self.held.pop(task_id), strict=True)
            for storage, delivery in both:
                by = SettleBy(token=delivery.token, settlement=settlements[how])
                await storage.settle([by], now=self.now)

        self.run(settle_both())
        if how == "releases":
            self.released.add(task_id)
        if how != "completes":
            at = self.now if how == "releases" else later
            self.due[task_id] = (at, how == "fails")


Fairness.TestCase.settings = settings(
    max_examples=share_of(60),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestFairness = pytest.mark.timeout(240)(Fairness.TestCase)
