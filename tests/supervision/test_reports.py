"""Reports: their names and OTP's fields."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from taskqueue.errors import StartFailed
from taskqueue.runtime import NORMAL, SHUTDOWN, Crash, ExitReason
from taskqueue.supervision import (
    BRUTAL_KILL,
    AutoShutdown,
    Restart,
    Strategy,
    overview,
    restart_child,
    start_child,
    terminate_child,
)
from taskqueue.supervision.errors import ChildStartFailed
from taskqueue.testing.actors import TrappingCrashTest

OFFENDER = {"supervisor": "root", "child_id": "a", "restart": "permanent"}
LIMITS = {"strategy": "one_for_one", "intensity": 10, "period_s": 5}


@pytest.fixture
def reports() -> Iterator[list[EventDict]]:
    with capture_logs() as reports:
        yield reports


def about(reports: list[EventDict], child_id: str) -> list[EventDict]:
    return [each for each in reports if each.get("child_id") == child_id]


def names(reports: list[EventDict]) -> list[str]:
    return [each["event"] for each in reports if "child_id" in each]


async def test_a_crash_with_a_restart_is_told_in_otps_order(
    supervised, abc, journal, reports
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())
    dead = a.life

    a.crash("oops")
    await journal.wait_for("started", actor="a", nth=2)
    await overview(root)

    [first, crash, terminated, second, restarted] = [
        each for each in reports if each["event"] != "actor_exited"
    ]
    progress = {"event": "child_started", "log_level": "info", "supervisor": "root"}
    assert first == {**progress, "child_id": "a", "pid": dead.actor_urn, "incarnation": 1}
    assert (crash["event"], crash["log_level"]) == ("actor_crashed", "error")
    assert terminated == {
        "event": "child_terminated",
        "log_level": "error",
        "context": "child_terminated",
        **OFFENDER,
        **LIMITS,
        "pid": dead.actor_urn,
        "reason": "oops",
        "incarnation": 1,
        "restarts_in_period": 0,
    }
    assert second == {**progress, "child_id": "a", "pid": a.life.actor_urn, "incarnation": 2}
    assert restarted == {
        "event": "child_restarted",
        "log_level": "warning",
        **OFFENDER,
        **LIMITS,
        "pid": a.life.actor_urn,
        "reason": "oops",
        "incarnation": 2,
        "restarts_in_period": 1,
    }


async def test_giving_up_is_a_report_of_context_shutdown(supervised, abc, reports) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(), max_restarts=0)

    a.crash("oops")
    await root.ended()

    [*_, escalated] = about(reports, "a")
    assert escalated == {
        "event": "supervisor_escalated",
        "log_level": "error",
        "context": "shutdown",
        **OFFENDER,
        **LIMITS,
        "pid": a.life.actor_urn,
        "reason": "reached_max_restart_intensity",
        "child_reason": "oops",
        "incarnation": 1,
        "intensity": 0,
        "restarts_in_period": 1,
    }


async def test_each_failed_restart_is_a_report_of_context_start_error(
    supervised, abc, journal, reports
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())
    dead = a.life
    a.failed_starts = 2

    a.crash("oops")
    await journal.wait_for("started", actor="a", nth=2)
    await overview(root)

    failures = [each for each in about(reports, "a") if each.get("context") == "start_error"]
    assert failures == [
        {
            "event": "child_start_failed",
            "log_level": "error",
            "context": "start_error",
            **OFFENDER,
            **LIMITS,
            "pid": pid,
            "reason": "no start",
            "incarnation": 1,
            "restarts_in_period": attempt,
        }
        for attempt, pid in ((1, dead.actor_urn), (2, "restarting"))
    ]
    assert names(reports).count("child_terminated") == 1
    assert names(reports).count("child_restarted") == 1


async def test_a_failed_first_start_is_reported_with_incarnation_zero(
    supervised, abc, reports
) -> None:
    a, b, _ = abc
    b.failed_starts = 1

    with pytest.raises(StartFailed):
        await supervised.by(a.child(), b.child())

    assert names(reports) == ["child_started", "child_start_failed", "child_stopped"]
    [failure] = about(reports, "b")
    assert (failure["context"], failure["incarnation"]) == ("start_error", 0)
    assert failure["reason"] == "no start"


@pytest.mark.parametrize(
    ("restart", "reason", "is_error"),
    [
        (Restart.PERMANENT, NORMAL, True),
        (Restart.TRANSIENT, NORMAL, False),
        (Restart.TRANSIENT, SHUTDOWN, False),
        (Restart.TRANSIENT, Crash("x"), True),
        (Restart.TEMPORARY, NORMAL, False),
        (Restart.TEMPORARY, Crash("x"), True),
    ],
)
async def test_only_an_unexpected_end_is_an_error(
    supervised, dummy, restart: Restart, reason: ExitReason, is_error: bool
) -> None:
    a = dummy("a")
    root = await supervised.by(a.child(restart=restart))

    with capture_logs() as reports:
        a.end(reason)
        await a.life.ended()
        await overview(root)

    report = about(reports, "a")[0]
    event, level = ("child_terminated", "error") if is_error else ("child_exited", "info")
    assert (report["event"], report["log_level"]) == (event, level)
    assert report["reason"] == str(reason)


@pytest.mark.parametrize(
    ("restart", "last_words", "context"),
    [
        (Restart.PERMANENT, None, None),
        (Restart.PERMANENT, NORMAL, "shutdown_error"),
        (Restart.PERMANENT, Crash("x"), "shutdown_error"),
        (Restart.TRANSIENT, NORMAL, None),
        (Restart.TEMPORARY, NORMAL, None),
        (Restart.TEMPORARY, Crash("x"), "shutdown_error"),
    ],
)
async def test_a_stop_that_ends_otherwise_is_a_report_of_context_shutdown_error(
    supervised, dummy, restart: Restart, last_words: ExitReason | None, context: str | None
) -> None:
    a = dummy("a", TrappingCrashTest)
    a.last_words = last_words
    root = await supervised.by(a.child(restart=restart))

    with capture_logs() as reports:
        await terminate_child(root, "a")

    [report] = about(reports, "a")
    assert report["event"] == ("child_stopped" if context is None else "child_stop_failed")
    assert report.get("context") == context
    assert report["reason"] == str(last_words or SHUTDOWN)


async def test_a_child_killed_at_its_limit_is_reported_as_killed(
    supervised, dummy, journal, reports
) -> None:
    a = dummy("a", TrappingCrashTest)
    root = await supervised.by(a.child(shutdown=0))
    a.stall()
    await journal.wait_for("stalling", actor="a")

    await terminate_child(root, "a")

    [_, report] = about(reports, "a")
    assert report == {
        "event": "child_stop_failed",
        "log_level": "error",
        "context": "shutdown_error",
        **OFFENDER,
        **LIMITS,
        "pid": a.life.actor_urn,
        "reason": "killed",
        "incarnation": 1,
        "restarts_in_period": 0,
    }


async def test_a_brutal_kill_is_no_error(supervised, abc, reports) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(shutdown=BRUTAL_KILL))

    await terminate_child(root, "a")

    assert names(reports) == ["child_started", "child_stopped"]


async def test_starts_by_hand_that_fail_are_answers_not_reports(supervised, abc, reports) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child())
    await terminate_child(root, "a")
    a.failed_starts = b.failed_starts = 1

    with pytest.raises(ChildStartFailed):
        await restart_child(root, "a")
    with pytest.raises(ChildStartFailed):
        await start_child(root, b.child())

    assert names(reports) == ["child_started", "child_stopped"]


async def test_siblings_of_a_group_restart_are_not_reported_as_terminated(
    supervised, abc, journal, reports
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(), strategy=Strategy.ONE_FOR_ALL)

    a.crash()
    await journal.wait_for("started", actor="b", nth=2)
    await overview(root)

    assert names(about(reports, "b")) == [
        *("child_started", "child_stopped", "child_started", "child_restarted"),
    ]


async def test_a_child_revived_by_its_group_for_the_first_time_has_no_reason(
    supervised, abc, journal, reports
) -> None:
    a, b, _ = abc
    b.ignored_starts = 1
    root = await supervised.by(a.child(), b.child(), strategy=Strategy.ONE_FOR_ALL)

    a.crash()
    await journal.wait_for("started", actor="b")
    await overview(root)

    [ignored, _, restarted] = about(reports, "b")
    assert ignored["event"] == "child_ignored"
    assert (restarted["event"], restarted["reason"]) == ("child_restarted", None)


async def test_auto_shutdown_is_not_reported(supervised, abc, reports) -> None:
    a, _, _ = abc
    root = await supervised.by(
        a.child(restart=Restart.TRANSIENT, significant=True),
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )

    a.end(NORMAL)
    await root.ended()

    assert names(reports) == ["child_started", "child_exited"]
