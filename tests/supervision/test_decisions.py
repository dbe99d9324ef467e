"""The pure rules: tables, and properties over random crash times."""

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskqueue.runtime import (
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Crash,
    ExitReason,
    Shutdown,
)
from taskqueue.supervision import (
    BRUTAL_KILL,
    AutoShutdown,
    ChildStatus,
    Intensity,
    Restart,
    Strategy,
)
from taskqueue.supervision.decisions import (
    RestartWindow,
    Verdict,
    after_exit,
    is_reported,
    is_shutdown_error,
    shuts_down,
    to_start,
    to_stop,
)

ORDERLY = [NORMAL, SHUTDOWN, Shutdown("drained"), Shutdown(("a", "b"))]
ABNORMAL = [KILLED, NOPROC, Crash(ValueError("x")), Crash("shutdown"), Crash("normal")]
REASONS = [*ORDERLY, *ABNORMAL]

PERMANENT, TRANSIENT, TEMPORARY = Restart


# --- a child ends by itself -----------------------------------------------------------------------


@pytest.mark.parametrize("reason", REASONS, ids=repr)
def test_a_permanent_child_is_restarted_whatever_its_reason(reason: ExitReason) -> None:
    assert after_exit(PERMANENT, reason) == Verdict.RESTART
    assert is_reported(PERMANENT, reason)


@pytest.mark.parametrize("reason", ORDERLY, ids=repr)
def test_a_transient_child_that_ends_orderly_stays_gone_without_a_report(
    reason: ExitReason,
) -> None:
    assert after_exit(TRANSIENT, reason) == Verdict.KEEP
    assert not is_reported(TRANSIENT, reason)


@pytest.mark.parametrize("reason", ABNORMAL, ids=repr)
def test_a_transient_child_that_ends_abnormally_is_restarted(reason: ExitReason) -> None:
    assert after_exit(TRANSIENT, reason) == Verdict.RESTART
    assert is_reported(TRANSIENT, reason)


@pytest.mark.parametrize("reason", REASONS, ids=repr)
def test_a_temporary_child_is_forgotten_and_reported_if_it_ended_abnormally(
    reason: ExitReason,
) -> None:
    assert after_exit(TEMPORARY, reason) == Verdict.FORGET
    assert is_reported(TEMPORARY, reason) == (reason in ABNORMAL)


# --- a child was told to stop ---------------------------------------------------------------------


@pytest.mark.parametrize("reason", REASONS, ids=repr)
@pytest.mark.parametrize("limit", [0, 5.0, float("inf")])
def test_a_permanent_child_told_to_stop_may_end_with_shutdown_only(
    limit: float, reason: ExitReason
) -> None:
    assert is_shutdown_error(PERMANENT, limit, reason) == (reason != SHUTDOWN)


@pytest.mark.parametrize("reason", REASONS, ids=repr)
def test_a_permanent_child_killed_brutally_may_end_with_killed_only(reason: ExitReason) -> None:
    assert is_shutdown_error(PERMANENT, BRUTAL_KILL, reason) == (reason != KILLED)


@pytest.mark.parametrize("reason", REASONS, ids=repr)
@pytest.mark.parametrize("restart", [TRANSIENT, TEMPORARY])
def test_other_children_may_end_in_any_orderly_way(restart: Restart, reason: ExitReason) -> None:
    orderly = reason in ORDERLY

    assert is_shutdown_error(restart, 5.0, reason) == (not orderly)
    assert is_shutdown_error(restart, BRUTAL_KILL, reason) == (not orderly and reason != KILLED)


# --- strategies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "failed", "stopped", "started"),
    [
        (Strategy.ONE_FOR_ONE, "b", "", "b"),
        (Strategy.REST_FOR_ONE, "a", "dcb", "abcd"),
        (Strategy.REST_FOR_ONE, "b", "dc", "bcd"),
        (Strategy.REST_FOR_ONE, "d", "", "d"),
        (Strategy.ONE_FOR_ALL, "a", "dcb", "abcd"),
        (Strategy.ONE_FOR_ALL, "b", "dca", "abcd"),
        (Strategy.ONE_FOR_ALL, "d", "cba", "abcd"),
    ],
)
def test_a_strategy_says_who_is_stopped_and_who_is_started(
    strategy: Strategy, failed: str, stopped: str, started: str
) -> None:
    assert "".join(to_stop(strategy, "abcd", failed)) == stopped
    assert "".join(to_start(strategy, "abcd", failed)) == started


@given(
    st.sampled_from(Strategy),
    st.lists(st.text(min_size=1), min_size=1, unique=True).flatmap(
        lambda order: st.tuples(st.just(order), st.sampled_from(order))
    ),
)
def test_a_group_is_stopped_in_reverse_and_started_in_order_with_the_failed_one_in_it(
    strategy: Strategy, children: tuple[list[str], str]
) -> None:
    order, failed = children

    stopped, started = to_stop(strategy, order, failed), to_start(strategy, order, failed)

    assert failed in started
    assert failed not in stopped
    assert [*started] == [each for each in order if each in started]
    assert [*stopped] == [each for each in reversed(started) if each != failed]


# --- auto-shutdown --------------------------------------------------------------------------------

RUNNING, RESTARTING, STOPPED = ChildStatus


@pytest.mark.parametrize(
    ("mode", "left", "stops"),
    [
        (AutoShutdown.NEVER, [], False),
        (AutoShutdown.NEVER, [STOPPED], False),
        (AutoShutdown.ANY_SIGNIFICANT, [RUNNING, RUNNING], True),
        (AutoShutdown.ANY_SIGNIFICANT, [], True),
        (AutoShutdown.ALL_SIGNIFICANT, [], True),
        (AutoShutdown.ALL_SIGNIFICANT, [STOPPED, STOPPED], True),
        (AutoShutdown.ALL_SIGNIFICANT, [STOPPED, RUNNING], False),
        (AutoShutdown.ALL_SIGNIFICANT, [STOPPED, RESTARTING], False),
    ],
)
def test_auto_shutdown_depends_on_who_is_left(
    mode: AutoShutdown, left: list[ChildStatus], stops: bool
) -> None:
    assert shuts_down(mode, left) == stops


# --- intensity ------------------------------------------------------------------------------------


def window(max_restarts: int, period_s: int) -> RestartWindow:
    return RestartWindow(Intensity(max_restarts=max_restarts, period_s=period_s))


def test_as_many_restarts_as_the_intensity_are_let_pass_and_the_next_is_one_too_many() -> None:
    restarts = window(3, 5)

    verdicts = [restarts.add(10.0) for _ in range(4)]

    assert verdicts == [False, False, False, True]


def test_with_intensity_zero_the_first_restart_is_one_too_many() -> None:
    assert window(0, 5).add(0.0)


@pytest.mark.parametrize(
    ("first", "second", "too_many"),
    [
        (10.0, 15.0, True),  # the edge counts
        (10.0, 15.999, True),  # and so does the rest of its second
        (10.999, 15.999, True),
        (10.0, 16.0, False),
        (10.999, 16.0, False),  # 5.001 s apart, but six whole seconds
        (10.0, 10.0, True),
    ],
)
def test_the_window_is_inclusive_and_in_whole_seconds(
    first: float, second: float, too_many: bool
) -> None:
    restarts = window(1, 5)
    restarts.add(first)

    assert restarts.add(second) == too_many


def test_looking_at_the_window_forgets_nothing_that_still_counts() -> None:
    restarts = window(5, 5)
    restarts.add(10.0)
    restarts.add(12.0)

    counted = [restarts.count(now) for now in (12.0, 15.9, 16.0, 17.9, 18.0)]

    assert counted == [2, 2, 1, 1, 0]


@given(
    max_restarts=st.integers(0, 5),
    period_s=st.integers(1, 10),
    gaps=st.lists(st.floats(0, 12, allow_nan=False), max_size=40),
)
def test_the_window_decides_as_the_list_of_otp_does(
    max_restarts: int, period_s: int, gaps: list[float]
) -> None:
    restarts = window(max_restarts, period_s)
    now, times = 0.0, []

    for gap in gaps:
        now += gap
        second = int(now)
        times = [second, *(t for t in times if t >= second - period_s)]

        assert restarts.add(now) == (len(times) > max_restarts)
        assert restarts.count(now) == len(times)


def test_a_restart_costs_the_same_however_many_were_before() -> None:
    def steps_of_one_more(history: int) -> int:
        restarts = window(1_000_000, 3_600)
        for second in range(history):
            restarts.add(second / 10)
        return steps(lambda: restarts.add(history / 10))

    assert steps_of_one_more(10) == steps_of_one_more(10_000)


def steps(work: Callable[[], object]) -> int:
    """Return how many lines, calls and built-in calls `work` takes: what a clock cannot say."""
    taken = 0

    def count(_frame: FrameType, _event: str, _argument: object) -> object:
        nonlocal taken
        taken += 1
        return count

    tracing, profiling = sys.gettrace(), sys.getprofile()
    sys.settrace(count)
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.settrace(tracing)
        sys.setprofile(profiling)
    return taken
