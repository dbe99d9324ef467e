"""Examples of the answers that show what runs, and what was done lately."""

from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from taskqueue.http.running import RunningList, RunningView, StackView
from taskqueue.rules.durations import Durations
from taskqueue.rules.running import HandlerLine
from taskqueue.rules.service_activity import BUCKET_S, Bucket, RecentActivity, Restart

_ID = "0197a4c8-0000-7000-8000-000000000000"
_AT = 1_800_000_000.0

_RUNNING = RunningView(
    task_id=_ID,
    action="resize",
    queue="default",
    attempt=1,
    consumer="consumer-1",
    executor="thread",
    started_at=_AT,
    age_s=12.5,
    progress=Raw(b"0.4"),
    line=HandlerLine(file="shop/images.py", number=41, function="scale"),
)

_STACK = StackView(
    task_id=_ID,
    attempt=1,
    consumer="consumer-1",
    executor="thread",
    started_at=_AT,
    age_s=12.5,
    stack=[
        HandlerLine(file="shop/tasks.py", number=18, function="resize"),
        HandlerLine(file="shop/images.py", number=41, function="scale"),
    ],
    truncated=False,
)

_ACTIVITY = RecentActivity(
    since=_AT,
    until=_AT + 3_600.0,
    bucket_s=BUCKET_S,
    buckets=(
        Bucket(
            at=_AT + 120.0,
            enqueued=40,
            completed=38,
            failed=1,
            wait_s=Durations(p50=0.011, p95=0.28, max=1.9),
            run_s=Durations(p50=0.45, p95=2.1, max=6.2),
        ),
    ),
    restarts=(
        Restart(
            at=_AT + 125.0,
            supervisor="consumers",
            child_id="consumer-1",
            incarnation=2,
            reason="killed",
        ),
    ),
)

LIVE_EXAMPLES: Sequence[Any] = (
    RunningList(running=[_RUNNING], count=1, truncated=False),
    _STACK,
    _ACTIVITY,
)
