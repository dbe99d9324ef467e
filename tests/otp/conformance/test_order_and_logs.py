"""Cases 85, 87 and 88: the order of children, and what supervisors report."""

import json

from structlog.testing import capture_logs

from taskqueue.logs.plain import plain
from taskqueue.runtime import SHUTDOWN, Crash
from taskqueue.supervision import Restart, Strategy, overview
from taskqueue.testing.actors import TrappingCrashTest
from tests.otp.conformance.support import FOR_EVER, start_all

EVERY = {"supervisor", "child_id", "reason", "restart", "event", "context", "log_level"}
LIMITS = {"strategy", "restarts_in_period", "intensity", "period_s"}
OFFENDER = {"pid", "incarnation"}


async def test_order_of_children(supervised, dummy, journal) -> None:
    first, second, third, fourth, fifth = (dummy(name) for name in "dbeac")
    root = await supervised.by(
        *(each.child() for each in (first, second, third, fourth, fifth)),
        strategy=Strategy.REST_FOR_ONE,
    )
    assert journal.take() == [f"{name} started" for name in "dbeac"]

    third.crash()
    await journal.wait_for("started", actor="c", nth=2)
    assert journal.take() == [
        *("e stopping", "e ended", "c ended", "a ended"),
        *("e started", "a started", "c started"),
    ]
    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert journal.take() == [f"{name} ended" for name in "caebd"]


async def test_format_log_1(supervised, dummy, journal) -> None:
    """Adapted: a report is an event with fields, not a text: OTP's four contexts and progress."""
    a, b = dummy("a"), dummy("b", TrappingCrashTest)
    b.last_words = Crash("bad end")

    with capture_logs() as events:
        root = await supervised.by(a.child(), b.child(), max_restarts=3)
        a.failed_starts = FOR_EVER
        a.crash("odd")
        await root.ended()

    reports = [event for event in events if "context" in event]
    contexts = [report["context"] for report in reports]
    assert contexts == [
        "child_terminated",
        *["start_error"] * 3,
        "shutdown",
        "shutdown_error",
    ]
    reasons = [report["reason"] for report in reports]
    assert reasons == ["odd", *["no start"] * 3, "reached_max_restart_intensity", "bad end"]
    for report in reports:
        assert report["log_level"] == "error"
        assert report.keys() - {"child_reason"} == EVERY | LIMITS | OFFENDER
    progress = [event["child_id"] for event in events if event["event"] == "child_started"]
    assert progress == ["a", "b"]


async def test_format_log_2(instances_of, dummy) -> None:
    """Adapted: instances that end badly at the stop are one report, with their number."""
    pair = [dummy(name, TrappingCrashTest) for name in "ab"]
    for each in pair:
        each.last_words = Crash("bad end")

    with capture_logs() as events:
        root = await instances_of(restart=Restart.PERMANENT)
        await start_all(root, *pair)
        await overview(root)
        root.exit(SHUTDOWN)
        await root.ended()

    [report] = [event for event in events if "context" in event]
    assert report.keys() == EVERY | LIMITS | {"nb_children"}
    assert (report["context"], report["nb_children"]) == ("shutdown_error", 2)
    assert (report["child_id"], report["reason"]) == ("dummy", "bad end")
    rendered = plain(report)
    assert json.loads(json.dumps(rendered)) == report
