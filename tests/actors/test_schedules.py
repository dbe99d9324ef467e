"""The schedules actor: each slot fires once, whatever the clock and the storage do."""

from typing import Any

import pytest

from taskqueue.actors.messages import SCHEDULES
from taskqueue.actors.schedules.actor import FireDue
from taskqueue.api.context import Context
from taskqueue.api.handler import Handler
from taskqueue.api.schedules import every
from taskqueue.commands import PauseSchedule, ResumeSchedule
from taskqueue.errors import StorageUnavailable, UnknownAction
from taskqueue.rules.schedules.values import ScheduleHistory
from taskqueue.rules.schedules.words import SlotOutcome
from taskqueue.runtime import ask
from taskqueue.storage.protocol import Storage
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import ManualClock, World

MINUTE_S = 60.0
PATIENCE_S = 60.0  # for 720 slots, on a busy machine
FIRST = 1_000_020.0  # the first whole minute after the clock's start


async def fire(world: World) -> None:
    """Have the actor decide of what is due."""
    await ask(world.system.address(SCHEDULES), FireDue(), timeout_s=PATIENCE_S)


async def history(world: World, name: str = "tick") -> ScheduleHistory:
    found = await world.storage.use(Storage.schedule, name, slots=100)
    assert found is not None
    return found


async def outcomes(world: World) -> list[tuple[float, SlotOutcome, int]]:
    """Return what became of the slots, oldest first."""
    slots = (await history(world)).slots
    return [(slot.at, slot.outcome, slot.slots) for slot in reversed(slots)]


def schedule(world: World, **options: Any) -> ManualClock:
    """Have a task every minute; return the clock."""
    world.clock = clock = ManualClock()

    @world.app.schedule(every(minutes=1), **options)
    @world.app.task("tick")
    async def tick(ctx: Context) -> None:
        world.runs.append(ctx.task.id)

    return clock


def _unknown(action: str) -> Handler:
    raise UnknownAction(action, ())


async def test_a_slot_fires_when_it_is_due_and_its_task_runs(world: World) -> None:
    clock = schedule(world)
    await world.start()

    await fire(world)
    before = await outcomes(world)
    clock.time = FIRST
    await fire(world)

    fired = await world.events.wait_for("schedule_fired", schedule="tick")
    await world.completed(fired["task_id"])
    run = await world.storage.use(Storage.get, fired["task_id"], now=FIRST)
    assert run is not None
    assert (run.task.schedule, run.task.parent) == ("tick", None)
    assert before == []
    assert await outcomes(world) == [(FIRST, SlotOutcome.FIRED, 1)]
    assert (fired["slot"], fired["late_s"]) == ("1970-01-12T13:47:00Z", 0.0)
    assert world.runs == [fired["task_id"]]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("latest", [(FIRST + 718 * MINUTE_S, SlotOutcome.MISSED, 719)]),
        ("skip", [(FIRST + 718 * MINUTE_S, SlotOutcome.MISSED, 719)]),
        ("all", []),
    ],
)
async def test_a_machine_asleep_for_twelve_hours(
    world: World, missed: str, expected: list[tuple[float, SlotOutcome, int]]
) -> None:
    clock = schedule(world, missed=missed, overlap="allow")
    await world.start()
    await fire(world)

    clock.time = FIRST + 719 * MINUTE_S + 5.0
    await fire(world)

    found = await outcomes(world)
    fired = [slot for slot in found if slot[1] is SlotOutcome.FIRED]
    assert [slot for slot in found if slot[1] is not SlotOutcome.FIRED] == expected
    assert fired[-1][0] == FIRST + 719 * MINUTE_S
    assert (await history(world)).schedule.fired == (720 if missed == "all" else 1)


async def test_a_clock_set_ahead_and_back_fires_each_slot_once(world: World) -> None:
    clock = schedule(world, overlap="allow")
    await world.start()
    clock.time = FIRST
    await fire(world)

    clock.time = FIRST + 86_400.0
    await fire(world)
    clock.time = FIRST + 1.0
    await fire(world)
    clock.time = FIRST + MINUTE_S
    await fire(world)

    back = world.events.select("clock_set_back")
    found = await outcomes(world)
    assert [each["by_s"] for each in back] == [86_399.0]
    assert [at for at, outcome, _ in found if outcome is SlotOutcome.FIRED] == [
        FIRST,
        FIRST + MINUTE_S,
        FIRST + 86_400.0,
    ]


async def test_a_clock_set_back_fires_nothing_again(world: World) -> None:
    clock = schedule(world, overlap="allow")
    await world.start()
    for minute in range(3):
        clock.time = FIRST + minute * MINUTE_S
        await fire(world)

    for minute in range(-2, 3):
        clock.time = FIRST + minute * MINUTE_S
        await fire(world)

    assert [at for at, _, _ in await outcomes(world)] == [
        FIRST - MINUTE_S,  # which had not come since the schedule was created
        FIRST,
        FIRST + MINUTE_S,
        FIRST + 2 * MINUTE_S,
    ]


async def test_a_clock_set_back_beside_a_slot_that_waits_is_not_decided_of_for_ever(
    world: World,
) -> None:
    clock = schedule(world, overlap="queue")
    await world.start(consumers=0)
    for minute in range(3):
        clock.time = FIRST + minute * MINUTE_S
        await fire(world)

    clock.time = FIRST + 1.0  # so the first slot is looked at again
    await fire(world)
    clock.time = FIRST + 3 * MINUTE_S
    await fire(world)

    assert [(at, outcome) for at, outcome, _ in await outcomes(world)] == [
        (FIRST, SlotOutcome.FIRED),
        *[(FIRST + minute * MINUTE_S, SlotOutcome.WAITING) for minute in (1, 2, 3)],
    ]


async def test_no_slot_of_a_pause_fires_after_it(world: World) -> None:
    clock = schedule(world)
    await world.start()
    await fire(world)
    schedules = world.system.address(SCHEDULES)

    await ask(schedules, PauseSchedule(name="tick", reason="maintenance"))
    clock.time = FIRST + 5 * MINUTE_S
    await fire(world)
    paused = await outcomes(world)
    await ask(schedules, ResumeSchedule(name="tick"))
    await fire(world)
    resumed = await outcomes(world)
    clock.time = FIRST + 6 * MINUTE_S
    await fire(world)

    assert (paused, resumed) == ([], [])
    assert await outcomes(world) == [(FIRST + 6 * MINUTE_S, SlotOutcome.FIRED, 1)]


async def test_a_queued_slot_runs_after_the_earlier_run(world: World) -> None:
    clock = schedule(world)

    @world.app.schedule(every(minutes=1), overlap="queue")
    @world.app.task("slow")
    async def slow() -> None:
        await world.gate.passed()

    await world.start(consumers=2)
    for minute in range(2):
        clock.time = FIRST + minute * MINUTE_S
        await fire(world)
    await world.events.wait_for("schedule_waiting", schedule="slow")
    waiting = (await history(world, "slow")).schedule.waiting_from

    world.gate.open()
    await world.events.wait_for("schedule_fired", schedule="slow", nth=2)

    assert waiting == FIRST + MINUTE_S
    assert (await history(world, "slow")).schedule.waiting_from is None


async def test_a_running_task_is_cancelled_for_the_next_slot(world: World) -> None:
    clock = schedule(world)

    @world.app.schedule(every(minutes=1), overlap="cancel")
    @world.app.task("slow")
    async def slow() -> None:
        await world.gate.passed()

    await world.start(consumers=2)
    clock.time = FIRST
    await fire(world)
    first = await world.events.wait_for("schedule_fired", schedule="slow")
    await world.begun(first["task_id"])

    clock.time = FIRST + MINUTE_S
    await fire(world)

    await world.events.wait_for("task_cancelled", task_id=first["task_id"])
    await world.events.wait_for("schedule_fired", schedule="slow", nth=2)


async def test_what_does_not_fit_the_action_any_more_is_skipped_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = schedule(world)
    await world.start()
    await fire(world)
    monkeypatch.setattr(world.app, "handler", _unknown)
    clock.time = FIRST
    await fire(world)

    skipped = await world.events.wait_for("schedule_skipped", schedule="tick")
    assert "tick" in skipped["reason"]
    assert await outcomes(world) == [(FIRST, SlotOutcome.SKIPPED, 1)]


async def test_what_code_no_longer_names_is_paused_and_says_so(
    world: World, storage: FaultyStorage
) -> None:
    clock = schedule(world)
    await world.start()
    await fire(world)
    await world.stop()
    later = World(world.events, lambda: storage, clock)
    async with later:
        await later.start()
        await fire(later)
        clock.time = FIRST
        await fire(later)

        told = world.events.select("schedule_undeclared", schedule="tick")
        assert [each["reason"] for each in told] == ["the code no longer names it"]
        assert await outcomes(later) == []


async def test_an_outage_is_waited_out(world: World, storage: FaultyStorage) -> None:
    clock = schedule(world)
    storage.break_down(verbs={"declare_schedules"})
    await world.start()
    await world.events.wait_for("schedules_postponed")

    storage.repair()
    await world.events.wait_for("schedule_created")
    storage.break_down(verbs={"fire"})
    clock.time = FIRST
    with pytest.raises(StorageUnavailable):
        await fire(world)
    storage.repair()
    await world.events.wait_for("storage_ready", nth=3)
    await fire(world)

    fired = await world.events.wait_for("schedule_fired")
    await world.completed(fired["task_id"])
    assert (await history(world)).schedule.missed == 0


async def test_a_killed_actor_goes_on_where_it_was(world: World) -> None:
    clock = schedule(world, overlap="allow")
    await world.start()
    for minute in range(5):
        clock.time = FIRST + minute * MINUTE_S
        await fire(world)
        absence = await world.absent(SCHEDULES)
        await absence.over()
        await world.events.wait_for("child_started", child_id="schedules", incarnation=minute + 2)

    assert [at for at, _, _ in await outcomes(world)] == [
        FIRST + minute * MINUTE_S for minute in range(5)
    ]
