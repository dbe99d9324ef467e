"""An engine decides of slots as the obvious storage does, and no slot makes two tasks."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from taskqueue.rules.schedules.deciding import DueSlot, due
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import (
    Declared,
    FireAnswer,
    Fired,
    Firing,
    Plan,
    Schedule,
    ScheduleHistory,
)
from taskqueue.rules.schedules.words import Missed, Origin, Overlap, SlotOutcome
from taskqueue.rules.tasks import ENDED, NewTask
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from tests.examples_of_hypothesis import share_of

T = TypeVar("T")
Verb = Callable[[Storage], Awaitable[T]]

names = st.sampled_from(["a", "b", "c"])
plans = st.builds(
    Plan,
    action=st.just("echo"),
    timing=st.builds(Timing, every_s=st.sampled_from([10, 20])),
    data=st.sampled_from(["{}", '{"n":1}']),
    missed=st.sampled_from(Missed),
    within_s=st.sampled_from([None, 15.0]),
    overlap=st.sampled_from(Overlap),
)
declarations = st.lists(
    st.builds(Declared, name=names, plan=plans, origin=st.sampled_from([Origin.CODE, Origin.FILE])),
    max_size=3,
    unique_by=lambda declared: declared.name,
)


class TwoStorages(RuleBasedStateMachine):
    """Both get the same commands."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.model = MemoryStorage()
        self.engine = self.make_engine()
        self.now = 1000.0
        self.made = 0
        self.fired: Counter[tuple[str, float]] = Counter()  # since their schedule was created

    @initialize()
    def open(self) -> None:
        async def open_both() -> None:
            for storage in (self.model, self.engine):
                await storage.migrate()
                await storage.open()

        self.run(open_both())

    def make_engine(self) -> Storage:
        """Return what is compared with the model."""
        return SQLiteStorage(Path(self.folder.name) / "t.db", synchronous="NORMAL")

    def teardown(self) -> None:
        self.run(self.engine.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.get_loop().run_until_complete(work)

    def same(self, verb: Verb[T]) -> T:
        """Ask both, check that they answer alike, return the answer."""

        async def ask_both() -> tuple[T, T]:
            return await verb(self.model), await verb(self.engine)

        expected, answer = self.run(ask_both())
        assert answer == expected
        return answer

    # --- commands ---------------------------------------------------------------------------------

    @rule(by_s=st.sampled_from([0.0, 3.0, 10.0, 25.0, 100.0]))
    def time_passes(self, by_s: float) -> None:
        self.now += by_s

    @rule(by_s=st.sampled_from([5.0, 40.0, 300.0]))
    def the_clock_is_set_back(self, by_s: float) -> None:
        self.now -= by_s
        self.same(lambda storage: storage.rewind_schedules(now=self.now))

    @rule(name=names, plan=plans, expected=st.sampled_from([None, None, 0, 1, 2]))
    def put(self, name: str, plan: Plan, expected: int | None) -> None:
        declared = Declared(name=name, plan=plan, origin=Origin.API)
        self.same(lambda s: s.put_schedule(declared, expected=expected, now=self.now))

    @rule(declared=declarations)
    def declare(self, declared: list[Declared]) -> None:
        self.same(lambda storage: storage.declare_schedules(declared, now=self.now))

    @rule(name=names)
    def pause(self, name: str) -> None:
        self.same(lambda storage: storage.pause_schedule(name, reason="why", now=self.now))

    @rule(name=names)
    def resume(self, name: str) -> None:
        self.same(lambda storage: storage.resume_schedule(name, now=self.now))

    @rule(name=names)
    def delete(self, name: str) -> None:
        if self.same(lambda storage: storage.delete_schedule(name)):
            self.fired = Counter({key: n for key, n in self.fired.items() if key[0] != name})

    @rule()
    def fire_what_is_due(self) -> None:
        for schedule in self.schedules():
            if schedule.is_active and schedule.waiting_from is not None:
                self.fire(schedule, schedule.waiting_from)
            for step in [*due(schedule, now=self.now)] if schedule.is_active else ():
                if isinstance(step, DueSlot):
                    self.fire(schedule, step.slot)
                else:
                    passed = step
                    self.same(lambda s, passed=passed: s.pass_over(passed, now=self.now))

    @rule(back=st.integers(0, 5), outdated=st.booleans(), fits=st.booleans())
    def fire_any_slot(self, *, back: int, outdated: bool, fits: bool) -> None:
        for schedule in self.schedules():
            slot = (self.now // 10 - back) * 10
            self.fire(schedule, slot, version=schedule.version - outdated, fits=fits)

    @rule(name=names)
    def run_now(self, name: str) -> None:
        firing = Firing(schedule=name, version=0, slot=self.now, task=self.task(), run_now=True)
        self.same(lambda storage: storage.fire(firing, now=self.now))

    @rule(limit=st.integers(0, 5), age_s=st.sampled_from([0.0, 50.0]))
    def trim(self, limit: int, age_s: float) -> None:
        # In which order is left to the engine, so all or nothing is compared.
        most = 1_000 if limit else 0
        self.same(lambda storage: storage.trim_slots(before=self.now - age_s, limit=most))

    @rule(count=st.integers(1, 5))
    def end_some_tasks(self, count: int) -> None:
        found = self.same(lambda storage: storage.find(limit=100, now=self.now))
        alive = [task.id for task in found if task.status not in ENDED][-count:]
        self.same(lambda storage: storage.cancel(alive, reason="", now=self.now))

    @rule()
    def kill(self) -> None:
        async def kill() -> None:
            self.engine.abandon()
            await self.engine.open()

        self.run(kill())

    # --- what holds -------------------------------------------------------------------------------

    @invariant()
    def schedules_and_slots_are_alike(self) -> None:
        for schedule in self.schedules():
            history = self.same(lambda s, name=schedule.name: s.schedule(name, slots=1_000))
            assert history is not None
            self.is_sound(history)

    def is_sound(self, history: ScheduleHistory) -> None:
        waiting = [each.at for each in history.slots if each.outcome is SlotOutcome.WAITING]
        assert history.schedule.waiting_from == min(waiting, default=None)
        for slot in history.slots:
            assert (slot.task_id is not None) is (slot.outcome is SlotOutcome.FIRED)

    @invariant()
    def no_slot_has_made_two_tasks(self) -> None:
        assert max(self.fired.values(), default=0) <= 1

    # --- steps ------------------------------------------------------------------------------------

    def schedules(self) -> tuple[Schedule, ...]:
        return self.same(lambda storage: storage.schedules())

    def task(self) -> NewTask:
        self.made += 1
        return NewTask(id=f"{self.made:05}", action="echo", payload="{}")

    def fire(
        self, schedule: Schedule, slot: float, *, version: int | None = None, fits: bool = True
    ) -> None:
        firing = Firing(
            schedule=schedule.name,
            version=schedule.version if version is None else version,
            slot=slot,
            task=self.task() if fits else None,
        )
        fired: Fired = self.same(lambda storage: storage.fire(firing, now=self.now))
        if fired.answer is FireAnswer.DECIDED and fired.decision is not None:
            self.fired[schedule.name, slot] += fired.decision.outcome is SlotOutcome.FIRED


TestScheduleModel = pytest.mark.timeout(600)(TwoStorages.TestCase)
TestScheduleModel.settings = settings(
    max_examples=share_of(25),
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
