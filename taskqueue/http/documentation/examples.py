"""An example of each body and each answer, made of the types that encode them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from taskqueue.attempt_log import LogLine
from taskqueue.http.audit import Changes
from taskqueue.http.dead.routes import DeadGroups, DeadGroupView, Deleted, Redriven
from taskqueue.http.dead.selection import ByAction, ByIds, ByQueue, Everything
from taskqueue.http.documentation.live_examples import LIVE_EXAMPLES
from taskqueue.http.documentation.node_examples import NODE_EXAMPLES
from taskqueue.http.documentation.schedule_examples import PLAN_CHANGE_EXAMPLE, SCHEDULE_EXAMPLES
from taskqueue.http.groups.answers import Closed, GroupPage, GroupView, ThenView
from taskqueue.http.groups.closing import CloseRequest
from taskqueue.http.limits.answers import (
    AllowedView,
    LimitDetail,
    LimitList,
    LimitView,
    TakenAnswer,
)
from taskqueue.http.limits.requests import RateRequest, SlotsRequest, TakeRequest
from taskqueue.http.probes import Alive, Ready
from taskqueue.http.queues.answers import (
    FlowPage,
    FlowView,
    HoldingLimit,
    Queues,
    QueueView,
    Switched,
)
from taskqueue.http.queues.requests import PoolSizeRequest
from taskqueue.http.schedules.requests import PLAN_CHANGE
from taskqueue.http.sessions import Identity, SessionAnswer, SessionRequest
from taskqueue.http.settings import SettingList
from taskqueue.http.supervision.answers import Killed, Part, SupervisorPart
from taskqueue.http.supervision.requests import Place, Size
from taskqueue.http.tasks.answers import (
    Cancellation,
    Page,
    Receipt,
    Receipts,
    Stats,
    TaskDetail,
    TaskView,
)
from taskqueue.http.tasks.bulk import Progress
from taskqueue.http.tasks.cancellation import CancelRequest
from taskqueue.http.tasks.editing import EDIT, EditRequest
from taskqueue.http.tasks.log_answers import LoggedAttemptView, Logs
from taskqueue.http.tasks.requests import TaskList, TaskRequest
from taskqueue.rules.access import Role
from taskqueue.rules.activity import MINUTES, Recent
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.durations import Durations
from taskqueue.rules.limits import KeyUsage
from taskqueue.rules.sizes import Capacity, ConsumersSize, PoolSize
from taskqueue.rules.tasks import Attempt, AttemptOutcome, Status
from taskqueue.settings import SettingInForce
from taskqueue.supervision import ChildType

_ID = "0197a4c8-0000-7000-8000-000000000000"
_AT = 1_800_000_000.0

EVENTS = f"""\
retry: 1000
id: 9f2c01ab-16

id: 9f2c01ab-17
event: task_completed
data: {{"at":{_AT},"task_id":"{_ID}","action":"resize","queue":"default","attempt":1}}

"""
"""The beginning of a stream of events."""

_REQUEST = TaskRequest(action="resize", data=Raw(b'{"url":"https://example.org/cat.jpg"}'))

_LOGGED = LoggedAttemptView(
    attempt=1,
    outcome=AttemptOutcome.COMPLETED,
    started_at=_AT + 1.0,
    ended_at=_AT + 1.5,
    lines=[LogLine(at=_AT + 1.1, level="info", message="opened file='cat.jpg'")],
    dropped=0,
)

_TASK = TaskView(
    id=_ID,
    payload=Raw(b'{"action":"resize","data":{"url":"https://example.org/cat.jpg"}}'),
    status=Status.COMPLETED,
    result=Raw(b'"cat-400.jpg"'),
    created_at=_AT,
    processed_at=_AT + 1.5,
    action="resize",
    queue="default",
    priority=0,
    attempt=1,
    max_attempts=5,
    crashes=0,
    deliveries=1,
    run_at=_AT,
    started_at=_AT + 1.0,
    reason=None,
)

_ATTEMPT = Attempt(
    attempt=1,
    outcome=AttemptOutcome.COMPLETED,
    error=None,
    traceback=None,
    started_at=_AT + 1.0,
    ended_at=_AT + 1.5,
)

_QUEUE = QueueView(
    queue="default",
    paused=False,
    paused_at=None,
    consumers=2,
    ageing_s=60.0,
    takes_turns=False,
    oldest_runnable_s=0.25,
    tasks={Status.QUEUED: 3, Status.SCHEDULED: 0, Status.RUNNING: 2, Status.RETRYING: 0},
    recent=[
        Recent(
            minutes=minutes,
            counted_s=60.0 * minutes - 4,
            completed_per_min=118.3,
            failed_per_min=0.5,
            wait_s=Durations(p50=0.011, p95=0.28, max=1.9),
            run_s=Durations(p50=0.45, p95=2.1, max=6.2),
        )
        for minutes in MINUTES
    ],
    limits=[HoldingLimit(name="smtp", running=5, waiting=3)],
)

_LIMIT = LimitView(
    name="smtp",
    allows=AllowedView(running=4, starts=100.0, per_s=60.0, burst=20.0),
    declared=AllowedView(running=2, starts=100.0, per_s=60.0, burst=20.0),
    changed_at=_AT,
    running=5,
    waiting=17,
)

_PART = Part(
    path="root/database",
    id="database",
    type=str(ChildType.WORKER),
    status="running",
    incarnation=1,
    started_at=_AT,
    last_exit=None,
    last_exit_at=None,
)

_ROOT = SupervisorPart(
    path="root",
    id="root",
    type=str(ChildType.SUPERVISOR),
    status="running",
    incarnation=1,
    started_at=_AT,
    last_exit=None,
    last_exit_at=None,
    strategy="one_for_one",
    restarts_in_period=0,
    max_restarts=10,
    period_s=30,
    children=(_PART,),
)

_CHANGE = AuditedChange(
    id=_ID,
    at=_AT,
    role=Role.ADMIN,
    who="ci",
    remote="10.0.0.7",
    method="POST",
    path="/queues/mail/pause",
    status=200,
)

_SETTING = SettingInForce(
    name="drain_s",
    value="1m",
    default="30s",
    source="variable",
    given_as="TASKQUEUE_DRAIN_S",
    description="Time for running handlers to finish at a stop.",
)

_GROUP = GroupView(
    name="import-17",
    tasks={**dict.fromkeys(Status, 0), Status.QUEUED: 30, Status.COMPLETED: 969, Status.DEAD: 1},
    total=1000,
    progress=0.97,
    closed=True,
    ended=False,
    created_at=_AT,
    closed_at=_AT + 4.0,
    ended_at=None,
    then=ThenView(action="report", queue="default", accepted_at=None, task_id=None),
)
_DEAD = DeadGroupView(
    action="charge",
    error="ConnectionError: gateway answered … for order …",
    tasks=1204,
    queues=["default"],
    latest_at=_AT,
    example_id=_ID,
    example="ConnectionError: gateway answered 502 for order 4711",
)
_REPORT = TaskRequest(action="report", data=Raw(b'{"run":17}'))

_EXAMPLES: Sequence[Any] = (
    _REQUEST,
    Receipt(id=_ID, status=Status.QUEUED),
    Receipts(tasks=[Receipt(id=_ID, status=Status.QUEUED)], count=1),
    Page(tasks=[_TASK], count=1, next=None),
    TaskDetail(**msgspec.structs.asdict(_TASK), attempts=[_ATTEMPT]),
    Logs(attempts=[_LOGGED], next=None),
    CancelRequest(reason="no longer needed"),
    Cancellation(id=_ID, status="cancelled"),
    Progress(matched=500, done=498, next=None),
    GroupPage(groups=[_GROUP], count=1, next=None),
    _GROUP,
    CloseRequest(then=_REPORT),
    Closed(group=_GROUP, tasks=[]),
    Stats(tasks=dict.fromkeys(Status, 0)),
    ByIds(ids=[_ID]),
    ByAction(action="resize"),
    ByQueue(queue="mail"),
    Everything(all=True),
    DeadGroups(groups=[_DEAD], truncated=False),
    Redriven(redriven=1000),
    Deleted(deleted=1000),
    Queues(queues=[_QUEUE]),
    Switched(queue="default", paused=True),
    FlowPage(
        flows=[
            FlowView(flow="tenant=acme", priority=0, waiting=17, next_turn=812.0, served_turn=811.0)
        ],
        next=None,
    ),
    PoolSizeRequest(count=4, slots=8),
    PoolSize(
        queues=("mail",),
        count=4,
        slots=8,
        configured=Capacity(count=2, slots=32),
        is_changed=True,
    ),
    LimitList(limits=[_LIMIT]),
    LimitDetail(
        limit=_LIMIT,
        keys=[KeyUsage(key="example.org", running=4, waiting=17, opens_at=_AT + 0.6)],
        next=None,
    ),
    _LIMIT,
    SlotsRequest(running=4),
    RateRequest(starts=100.0, per_s=60.0, burst=20.0, running=4),
    TakeRequest(cost=1200.0, key="acme"),
    TakenAnswer(),
    *SCHEDULE_EXAMPLES,
    *LIVE_EXAMPLES,
    *NODE_EXAMPLES,
    Alive(),
    Ready(),
    _PART,
    _ROOT,
    Place(path="root/consumers/consumer-1"),
    Killed(killed="root/consumers/consumer-1"),
    Size(count=4),
    ConsumersSize(count=4, configured=1, is_changed=True),
    SessionRequest(token="tq_…"),  # noqa: S106 - an example
    Identity(name="web", role=Role.ADMIN),
    SessionAnswer(name="web", role=Role.ADMIN, expires_at=_AT),
    Changes(changes=(_CHANGE,), count=1),
    SettingList(settings=[_SETTING]),
)
_EDIT = EditRequest(data=Raw(b'{"url":"https://example.org/dog.jpg"}'), priority=3)
_BY_TYPE: Mapping[Any, Any] = {
    **{type(each): each for each in _EXAMPLES},
    TaskList: [_REQUEST],
    EDIT: _EDIT,
    PLAN_CHANGE: PLAN_CHANGE_EXAMPLE,
}


def example_of(kind: Any) -> Any:
    """Return an example of a type, as JSON holds it; None if there is none."""
    return msgspec.json.decode(msgspec.json.encode(_BY_TYPE.get(kind)))
