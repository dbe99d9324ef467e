"""Backoff: restarts that wait, longer each time. In virtual time: seconds are exact, and free."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from taskqueue.runtime import KILLED, NORMAL, SHUTDOWN
from taskqueue.supervision import (
    Backoff,
    ChildRestarting,
    ChildSpec,
    ChildState,
    DynamicSupervisor,
    Flags,
    InvalidSpec,
    Restart,
    SimpleOneForOne,
    Strategy,
    check_childspecs,
    count_children,
    delete_child,
    get_childspec,
    overview,
    picture,
    restart_child,
    snapshot,
    start_child,
    start_instance,
    terminate_child,
    which_child,
)
from taskqueue.supervision.decisions import Pause, RestartDelays, counts, pause

# Waits of 1, 2, 4, 8, 8, 8 … seconds.
BACKOFF = Backoff(initial_s=1, max_s=8, factor=2, jitter=0, stable_s=10)
LONG = 1_000.0  # a limit in virtual time


# --- the rule -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nth", "seconds", "grows"),
    [(1, 1.0, True), (2, 2.0, True), (3, 4.0, True), (4, 8.0, False), (10_000, 8.0, False)],
)
def test_each_wait_is_longer_than_the_last_up_to_the_longest(
    nth: int, seconds: float, grows: bool
) -> None:
    assert pause(BACKOFF, nth, jitter=0.0) == Pause(seconds, grows)


def test_a_wait_that_is_always_the_same_does_not_grow() -> None:
    steady = Backoff(initial_s=3, factor=1, jitter=0)

    assert pause(steady, 1, jitter=0.0) == pause(steady, 99, jitter=0.0) == Pause(3.0, grows=False)


def test_a_restart_counts_unless_its_wait_still_grows() -> None:
    assert counts(None)
    assert counts(Pause(8.0, grows=False))
    assert not counts(Pause(1.0, grows=True))


backoffs = st.builds(
    lambda initial_s, above, factor, jitter: Backoff(
        initial_s=initial_s, max_s=initial_s + above, factor=factor, jitter=jitter
    ),
    st.floats(0.001, 100),
    st.floats(0, 1_000),
    st.floats(1, 10),
    st.floats(0, 1),
)


@given(backoffs, st.integers(1, 5_000), st.floats(0, 1))
def test_a_wait_lies_between_the_first_and_the_longest_and_its_jitter(
    backoff: Backoff, nth: int, jitter: float
) -> None:
    seconds = pause(backoff, nth, jitter=jitter).seconds

    assert backoff.initial_s <= seconds <= backoff.max_s * (1 + backoff.jitter)


@given(backoffs, st.integers(1, 5_000))
def test_without_jitter_no_wait_is_shorter_than_the_one_before(backoff: Backoff, nth: int) -> None:
    this, following = (pause(backoff, n, jitter=0.0) for n in (nth, nth + 1))

    assert this.seconds <= following.seconds
    assert this.grows or this.seconds == following.seconds


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20)), max_size=30))
def test_waits_begin_anew_after_a_stable_run_and_only_then(
    lives: list[tuple[float, float]],
) -> None:
    delays, now, in_a_row = RestartDelays(BACKOFF), 0.0, 0

    for idle_s, ran_s in lives:
        began = now + idle_s
        now = began + ran_s
        delays.started(began)
        delays.ended(now)

        in_a_row = 1 if now - began >= BACKOFF.stable_s else in_a_row + 1
        assert delays.next(jitter=0.0) == pause(BACKOFF, in_a_row, jitter=0.0)


# --- the specification ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial_s": 0},
        {"initial_s": math.inf},
        {"initial_s": "1"},
        {"max_s": 0.5},
        {"max_s": math.inf},
        {"factor": 0.9},
        {"factor": math.nan},
        {"jitter": -0.1},
        {"jitter": 1.1},
        {"stable_s": -1},
        {"stable_s": True},
    ],
    ids=str,
)
def test_a_backoff_that_makes_no_row_of_waits_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidSpec) as refused:
        Backoff(**wrong)

    assert refused.value.tag == "invalid_backoff"
    assert str(refused.value.value) == str(wrong)


async def test_a_mapping_may_spell_the_backoff(supervised, abc) -> None:
    a, _, _ = abc
    spelt = {"id": "a", "start": a.start, "backoff": {"initial_s": 0.5, "max_s": 2}}
    root = await supervised.by(spelt)

    assert (await get_childspec(root, "a")).backoff == Backoff(initial_s=0.5, max_s=2)


@pytest.mark.parametrize(
    ("wrong", "tag", "value"),
    [
        ({"backoff": 3}, "invalid_backoff", 3),
        ({"backoff": {"max_s": 0.5}}, "invalid_backoff", {"max_s": 0.5}),
        ({"backoff": {"maximum": 3}}, "unknown_key", "maximum"),
        ({"backoff": 3, "shutdown": -1}, "invalid_shutdown", -1),
        ({"backoff": {"maximum": 3}, "shutdown": -1}, "invalid_shutdown", -1),
    ],
    ids=str,
)
def test_a_wrong_backoff_is_found_after_all_that_otp_looks_at(
    wrong: dict[str, object], tag: str, value: object
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        check_childspecs([{"id": "a", "start": pytest.fail} | wrong])

    assert (refused.value.tag, refused.value.value) == (tag, value)


# --- one child ------------------------------------------------------------------------------------


async def started(root, journal, child_id: str, nth: int) -> float:
    """Return when a child started for the nth time."""
    await journal.wait_for("started", actor=child_id, nth=nth, timeout_s=LONG)
    return (await which_child(root, child_id)).started_at


async def waiting(root, dummy) -> ChildState:
    """Return a child whose supervisor has heard of its end."""
    await dummy.life.ended()
    return await which_child(root, dummy.name)


async def test_each_restart_waits_longer_than_the_last(supervised, abc, journal, clock) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF))

    waits = []
    for nth in (2, 3, 4, 5, 6):
        crashed_at = clock.now()
        a.crash()
        waits.append(await started(root, journal, "a", nth) - crashed_at)

    assert waits == [1, 2, 4, 8, 8]


async def test_a_restart_that_failed_waits_as_well(supervised, abc, journal, clock) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF))
    a.failed_starts = 2
    crashed_at = clock.now()

    a.crash()

    assert await started(root, journal, "a", 2) - crashed_at == 1 + 2 + 4
    assert (await which_child(root, "a")).incarnation == 2


@pytest.mark.parametrize(("ran_s", "wait_s"), [(9, 2), (10, 1), (11, 1)])
async def test_the_waits_begin_anew_once_it_has_been_stable(
    supervised, abc, journal, ran_s: float, wait_s: float
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF))
    a.crash()
    await started(root, journal, "a", 2)
    await asyncio.sleep(ran_s)

    a.crash()

    assert (await waiting(root, a)).restart_in_s == wait_s


async def test_the_jitter_is_added_to_the_wait(supervised, abc, journal, clock) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(backoff=Backoff(initial_s=1, jitter=0.5)))
    crashed_at = clock.now()

    a.crash()

    assert 1 <= await started(root, journal, "a", 2) - crashed_at <= 1.5


async def test_it_is_restarting_meanwhile_and_calls_are_served(
    supervised, abc, journal, dummy
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF), b.child())

    a.crash()
    state = await waiting(root, a)
    await asyncio.sleep(0.25)

    assert (state.status, state.ref, state.restart_in_s) == ("restarting", None, 1.0)
    assert (await which_child(root, "a")).restart_in_s == 0.75
    assert (await count_children(root)).active == 1
    await start_child(root, dummy("d").child())
    for call in (restart_child, delete_child):
        with pytest.raises(ChildRestarting):
            await call(root, "a")
    assert "├─ a  restarting in 0.8 s  incarnation 1" in picture(await snapshot(root))
    assert await supervised.statuses(root) == {"a": "restarting", "b": "running", "d": "running"}
    assert b.life.is_alive()


async def test_nothing_is_left_of_the_wait_when_it_runs_again(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF))

    a.crash()
    await started(root, journal, "a", 2)

    assert (await which_child(root, "a")).restart_in_s is None
    assert "a  running  incarnation 2" in picture(await snapshot(root))


async def test_terminate_child_ends_the_waiting(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF))
    a.crash()
    await waiting(root, a)

    await terminate_child(root, "a")
    await asyncio.sleep(LONG)

    assert await supervised.statuses(root) == {"a": "stopped"}
    assert len(journal.select("started", actor="a")) == 1


async def test_a_wait_that_was_ended_does_not_cut_a_later_one_short(
    supervised, abc, journal, clock
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF))
    a.crash()
    await waiting(root, a)
    await asyncio.sleep(0.5)
    await terminate_child(root, "a")
    await restart_child(root, "a")
    crashed_at = clock.now()

    a.crash()

    assert await started(root, journal, "a", 3) - crashed_at == 2


async def test_a_child_that_waits_does_not_delay_the_stop(supervised, abc, journal, clock) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF), b.child())
    a.crash()
    await waiting(root, a)
    next_at = clock.now()

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert clock.now() == next_at
    await asyncio.sleep(LONG)
    assert len(journal.select("started", actor="a")) == 1


async def test_a_transient_child_that_ends_orderly_does_not_wait(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(restart=Restart.TRANSIENT, backoff=BACKOFF))

    a.end(NORMAL)
    state = await waiting(root, a)

    assert (state.status, state.restart_in_s) == ("stopped", None)


async def test_a_start_that_is_ignored_ends_the_waiting(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF))
    a.ignored_starts = 1

    a.crash()
    await journal.wait_for("ignored", actor="a", timeout_s=LONG)

    assert await supervised.statuses(root) == {"a": "stopped"}


async def test_a_delayed_restart_is_reported(supervised, abc, journal) -> None:
    a, _, _ = abc
    with capture_logs() as reports:
        root = await supervised.by(a.child(backoff=BACKOFF))
        a.crash("oops")
        await waiting(root, a)

    [delayed] = [each for each in reports if each["event"] == "child_restart_delayed"]
    assert delayed == {
        "event": "child_restart_delayed",
        "log_level": "warning",
        "supervisor": "root",
        "child_id": "a",
        "pid": "restarting",
        "reason": "oops",
        "restart": "permanent",
        "incarnation": 1,
        "after_s": 1.0,
        "strategy": "one_for_one",
        "restarts_in_period": 0,
        "intensity": 10,
        "period_s": 5,
    }


async def test_a_one_shot_child_that_crashes_waits_during_the_start(
    supervised, abc, journal, clock
) -> None:
    a, b, _ = abc
    once = a.child(restart=Restart.TRANSIENT, one_shot=True, backoff=BACKOFF)
    start = asyncio.create_task(supervised.by(once, b.child()))
    for nth in (1, 2):
        await journal.wait_for("started", actor="a", nth=nth)
        a.crash()
    await journal.wait_for("started", actor="a", nth=3)
    a.end(NORMAL)
    root = await start

    assert clock.now() == 1 + 2
    assert await supervised.statuses(root) == {"a": "stopped", "b": "running"}
    await asyncio.sleep(LONG)
    assert len(journal.select("started", actor="a")) == 3


# --- the intensity --------------------------------------------------------------------------------


async def test_with_the_default_flags_a_child_is_slowed_down_and_its_supervisor_lives(
    abc, system, journal, supervised
) -> None:
    a, _, _ = abc
    flags = Flags()  # one restart in five seconds
    spec = supervised.below("sub", a.child(backoff=BACKOFF), flags=flags)
    root = await supervised.by(spec)
    sub = system.names.whereis("sub")

    for nth in range(2, 12):
        a.crash()
        await journal.wait_for("started", actor="a", nth=nth, timeout_s=LONG)

    assert sub.is_alive()
    assert (await overview(root)).restarts_in_period == 0


async def test_restarts_count_once_their_wait_cannot_grow_any_more(
    supervised, abc, journal
) -> None:
    a, _, _ = abc
    backoff = Backoff(initial_s=0.5, max_s=1, jitter=0)  # 0.5, 1, 1, …
    root = await supervised.by(a.child(backoff=backoff), max_restarts=3)

    counted = []
    for nth in (1, 2, 3, 4):
        a.crash()
        await waiting(root, a)
        counted.append((await overview(root)).restarts_in_period)
        await started(root, journal, "a", nth + 1)

    assert counted == [0, 1, 2, 3]


async def test_one_restart_too_many_escalates_without_waiting(
    supervised, abc, journal, clock
) -> None:
    a, _, _ = abc
    root = await supervised.by(
        a.child(backoff=Backoff(initial_s=2, max_s=2, jitter=0)), max_restarts=1
    )
    a.crash()
    await started(root, journal, "a", 2)
    crashed_at = clock.now()

    a.crash()

    assert await root.ended() == SHUTDOWN
    assert clock.now() == crashed_at


async def test_starts_that_keep_failing_escalate_as_well(supervised, abc, clock) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF), max_restarts=2, period_s=60)
    a.failed_starts = 1_000

    a.crash()

    assert await root.ended() == SHUTDOWN
    assert clock.now() == 1 + 2 + 4 + 8 + 8


# --- groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "stopped"),
    [(Strategy.ONE_FOR_ALL, "ca"), (Strategy.REST_FOR_ONE, "c")],
)
async def test_a_group_is_stopped_at_once_and_started_after_the_wait(
    supervised, abc, journal, strategy: Strategy, stopped: str
) -> None:
    a, b, c = abc
    root = await supervised.by(*(a.child(), b.child(backoff=BACKOFF), c.child()), strategy=strategy)
    journal.take()

    b.crash()
    state = await waiting(root, b)

    standing = {"a": "running", "b": "restarting"} | dict.fromkeys(stopped, "stopped")
    assert await supervised.statuses(root) == standing
    assert journal.take() == ["b stopping", "b ended", *(f"{each} ended" for each in stopped)]
    assert await started(root, journal, "c", 2) - state.last_exit_at == 1
    assert journal.take() == [f"{each} started" for each in sorted({"b", *stopped})]
    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")


async def test_the_wait_of_another_member_has_no_say(supervised, abc, journal, clock) -> None:
    a, b, c = abc
    root = await supervised.by(
        *(a.child(), b.child(backoff=BACKOFF), c.child()), strategy=Strategy.ONE_FOR_ALL
    )
    crashed_at = clock.now()

    c.crash()

    assert await started(root, journal, "c", 2) == crashed_at


async def test_a_member_that_fails_to_start_waits_with_its_group_stopped(
    supervised, abc, journal, clock
) -> None:
    a, b, c = abc
    root = await supervised.by(
        *(a.child(), b.child(backoff=BACKOFF), c.child()), strategy=Strategy.ONE_FOR_ALL
    )
    b.failed_starts = 1
    crashed_at = clock.now()

    c.crash()
    await journal.wait_for("failed", actor="b")
    await waiting(root, a)

    assert await supervised.statuses(root) == {"a": "stopped", "b": "restarting", "c": "stopped"}
    assert await started(root, journal, "c", 2) - crashed_at == 1


async def test_the_restart_of_a_group_ends_the_wait_of_its_members(
    supervised, abc, journal, clock
) -> None:
    a, b, c = abc
    root = await supervised.by(
        *(a.child(), b.child(backoff=BACKOFF), c.child()), strategy=Strategy.REST_FOR_ONE
    )
    b.crash()
    await waiting(root, b)
    journal.take()
    crashed_at = clock.now()

    a.crash()

    assert await started(root, journal, "c", 2) == crashed_at
    await asyncio.sleep(LONG)
    assert journal.take() == [
        *("a stopping", "a ended"),
        *("a started", "b started", "c started"),
    ]


async def test_a_group_that_waits_for_another_member_by_now_waits_for_that_alone(
    supervised, abc, journal, clock
) -> None:
    a, b, c = abc
    slow = Backoff(initial_s=5, jitter=0)
    root = await supervised.by(
        *(a.child(backoff=slow), b.child(backoff=BACKOFF), c.child()),
        strategy=Strategy.REST_FOR_ONE,
    )
    b.crash()
    await waiting(root, b)
    crashed_at = clock.now()

    a.crash()
    await waiting(root, a)

    assert await supervised.statuses(root) == {"a": "restarting", "b": "stopped", "c": "stopped"}
    assert await started(root, journal, "c", 2) - crashed_at == 5
    assert len(journal.select("started", actor="b")) == 2


async def test_who_was_started_by_hand_meanwhile_is_restarted_with_the_group(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(backoff=BACKOFF), b.child(), strategy=Strategy.ONE_FOR_ALL)
    a.crash()
    await waiting(root, b)
    await restart_child(root, "b")

    await started(root, journal, "a", 2)
    await started(root, journal, "b", 3)

    assert await supervised.statuses(root) == {"a": "running", "b": "running"}


# --- dynamic supervisors --------------------------------------------------------------------------


@pytest.fixture(params=["instances", "children"])
async def dynamic(request, system, clock, dummy):
    """A dynamic supervisor with one child; returns both and the child's dummy."""
    a = dummy("a")
    spec = a.child(backoff=BACKOFF)
    if request.param == "instances":
        root = await system.spawn(SimpleOneForOne, "root", [spec], clock=clock)
        await start_instance(root)
    else:
        root = await system.spawn(DynamicSupervisor, "root", clock=clock)
        await start_child(root, spec)
    return root, a


async def test_a_dynamic_child_waits_longer_each_time(dynamic, journal, clock) -> None:
    root, a = dynamic

    waits = []
    for nth in (2, 3, 4, 5):
        crashed_at = clock.now()
        a.crash()
        await journal.wait_for("started", actor="a", nth=nth, timeout_s=LONG)
        waits.append(clock.now() - crashed_at)

    assert waits == [1, 2, 4, 8]
    assert (await count_children(root)).active == 1


async def test_a_dynamic_child_that_waits_goes_by_the_reference_it_had(dynamic, journal) -> None:
    root, a = dynamic
    dead = a.life
    a.crash()
    await dead.ended()

    state = await which_child(root, dead)
    assert (state.status, state.restart_in_s) == ("restarting", 1.0)
    assert (await count_children(root)).workers == 1

    await terminate_child(root, dead)
    await asyncio.sleep(LONG)

    assert (await count_children(root)).workers == 0
    assert len(journal.select("started", actor="a")) == 1


@pytest.mark.parametrize("kill", [False, True])
async def test_a_dynamic_child_that_waits_does_not_outlive_its_supervisor(
    dynamic, journal, clock, kill: bool
) -> None:
    root, a = dynamic
    a.crash()
    await a.life.ended()
    next_at = clock.now()

    if kill:
        root.kill()
    else:
        root.exit(SHUTDOWN)

    assert await root.ended() == (KILLED if kill else SHUTDOWN)
    assert clock.now() == next_at
    await asyncio.sleep(LONG)
    assert len(journal.select("started", actor="a")) == 1


def test_a_specification_has_no_backoff_unless_it_says_so() -> None:
    assert ChildSpec(id="a", start=pytest.fail).backoff is None
