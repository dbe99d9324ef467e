"""What the service can be asked: one message per command or query, typed with its answer.

    ask: Ask = ServicePort(…)
    result = await ask(CancelTask(task_id=task_id, reason="no longer needed"))

Routes, tools and tests share these messages. `actors/port.py` routes each to the actor that
owns it.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol, TypeVar

from taskqueue.rules.access import Token
from taskqueue.rules.activity import Recent
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.edits import Change, EditResult
from taskqueue.rules.filters import Found, Sort, TaskFilter
from taskqueue.rules.forecast import NextAttempt
from taskqueue.rules.groups import Close, CloseResult, Group
from taskqueue.rules.health import QueueState, Readiness
from taskqueue.rules.holds import HeldBack
from taskqueue.rules.limits import KeyUsage, LimitUsage, LimitUse, LimitValues, Taken
from taskqueue.rules.logs import LogPage, RunningLog
from taskqueue.rules.measures import Measures
from taskqueue.rules.nodes import ServiceNode
from taskqueue.rules.running import Running, RunningStack
from taskqueue.rules.schedules.values import Declared, Fired, Schedule, ScheduleHistory
from taskqueue.rules.service_activity import RecentActivity
from taskqueue.rules.sizes import ConsumersSize, PoolSize, SizeChange
from taskqueue.rules.summaries import Counts, DeadGroup, QueueLimit
from taskqueue.rules.tasks import Accepted, CancelResult, NewTask, Status, Task, TaskHistory
from taskqueue.rules.turns import Flow, FlowPlace
from taskqueue.runtime import Request
from taskqueue.supervision import Node

R = TypeVar("R")

ROOT = "root"
"""The path of the whole supervision tree."""


class Ask(Protocol):
    """The service port.

    Every request may raise `StorageUnavailable`, `ActorUnavailable` or `AskTimeout`: a part of the
    service is temporarily unavailable, and the outcome of a command is unknown.
    """

    def __call__(self, message: Request[R], /) -> Awaitable[R]:
        """Return the answer to `message`, to be awaited. A command is durable when it is there."""
        ...


# --- tasks --------------------------------------------------------------------------------------


class Enqueue(Request[tuple[Accepted, ...]]):
    """Accept tasks, in one commit; answer in the order given.

    A task whose unique key is taken is not accepted again: its answer names the task that has the
    key, and says whether the two requests are the same.
    """

    tasks: tuple[NewTask, ...]


class SearchTasks(Request[Found]):
    """Return the tasks that match, as `Storage.search` does."""

    wanted: TaskFilter
    limit: int
    after: str | None = None
    sort: Sort = Sort.NEWEST
    max_bytes: int | None = None
    brief: bool = False


class GetTask(Request[TaskHistory | None]):
    """Return a task with its attempts; None if there is none."""

    task_id: str


class GetLogs(Request[LogPage | None]):
    """Return what the attempts at a task have logged, as `Storage.logs` does."""

    task_id: str
    max_bytes: int
    before: int | None = None


class ExplainWaiting(Request[str | None]):
    """Return why a task does not run, as a sentence; None if it runs or has ended."""

    task: Task
    flow: str | None = None  # whose turns it takes
    is_held: bool = False  # whether it is claimed


class ForecastRetries(Request[tuple[NextAttempt, ...]]):
    """Return when the next attempts at a task are due that waits for a retry."""

    task: Task


class CountTasks(Request[Mapping[Status, int]]):
    """Return the number of tasks by status."""


class CountMatching(Request[Counts]):
    """Count the tasks that match, by status, as `Storage.count` does."""

    wanted: TaskFilter
    most: int


class GetHeads(Request[Mapping[str, str]]):
    """Return what the payloads of these tasks begin with, as `Storage.heads` does."""

    task_ids: tuple[str, ...]
    length: int


class GetDeadGroups(Request[tuple[DeadGroup, ...]]):
    """Group dead tasks by action and error, as `Storage.dead_groups` does."""

    limit: int
    action: str | None = None
    queue: str | None = None


class CancelTask(Request[CancelResult]):
    """End a task that no consumer holds, or ask its consumer to stop it."""

    task_id: str
    reason: str


class EditTask(Request[EditResult]):
    """Change a task that has not ended and that no consumer holds; its history names `who`."""

    task_id: str
    change: Change
    who: str | None = None


class Redrive(Request[tuple[str, ...]]):
    """Queue dead tasks again; answer with those that were dead."""

    task_ids: tuple[str, ...]


class RedriveDead(Request[int]):
    """Queue all dead tasks again that match; answer with their number.

    After an error some of them may have been queued; repeating it is safe.
    """

    action: str | None = None
    queue: str | None = None


class Delete(Request[tuple[str, ...]]):
    """Delete ended tasks with their history; answer with those that had ended."""

    task_ids: tuple[str, ...]


class DeleteDead(Request[int]):
    """Delete all dead tasks that match, with their history; answer with their number.

    After an error some of them may have been deleted; repeating it is safe.
    """

    action: str | None = None
    queue: str | None = None


# --- groups -------------------------------------------------------------------------------------


class CloseGroup(Request[CloseResult]):
    """Accept tasks and close a group, in one commit, as `Storage.close_group` does."""

    wanted: Close
    tasks: tuple[NewTask, ...] = ()


class GetGroup(Request[Group | None]):
    """Return a group with its counts; None if there is none."""

    name: str


class GetGroups(Request[tuple[Group, ...]]):
    """Return groups, newest first, as `Storage.groups` does."""

    limit: int
    before: int | None = None
    ended: bool | None = None


# --- queues -------------------------------------------------------------------------------------


class GetQueues(Request[tuple[QueueState, ...]]):
    """Return the queues that are served, paused or not."""


class GetOldestRunnable(Request[Mapping[str, float]]):
    """Return how long the oldest runnable task of each queue has been waiting, in seconds.

    A queue that has no runnable task, or is paused, is left out.
    """


class GetDepths(Request[Mapping[str, Mapping[Status, int]]]):
    """Return the number of tasks by status, of each queue that has tasks which have not ended."""


class GetRecent(Request[Sequence[Recent]]):
    """Return what a queue did in the last minutes, as far as this service has counted it."""

    queue: str


class GetQueueLimits(Request[tuple[QueueLimit, ...]]):
    """Return which limits hold back tasks of which queues, as `Storage.queue_limits` does."""


class GetActivity(Request[RecentActivity]):
    """Return what the service did in the last minutes, and which of its parts were restarted."""

    minutes: int


class Pause(Request[None]):
    """Stop dispatching tasks of this queue, across restarts; running tasks continue."""

    queue: str


class Resume(Request[None]):
    """Dispatch tasks of this queue again. Harmless if it was not paused."""

    queue: str


# --- nodes --------------------------------------------------------------------------------------


class GetNodes(Request[tuple[ServiceNode, ...]]):
    """Return the nodes that share the database, by name."""


class DrainNode(Request[bool]):
    """Have a node claim nothing until it is resumed or restarted; False if there is none."""

    name: str


class ResumeNode(Request[bool]):
    """Have a node claim tasks again; False if there is none of this name."""

    name: str


# --- limits -------------------------------------------------------------------------------------


class GetHeldBack(Request[tuple[HeldBack, ...]]):
    """Return the due tasks of queues that are paused or have no consumer, up to a thousand each."""


class GetFlows(Request[tuple[Flow, ...]]):
    """Return up to `limit` flows of a queue that wait for their turns, as `Storage.flows` does."""

    queue: str
    limit: int
    after: FlowPlace | None = None


class GetLimits(Request[tuple[LimitUsage, ...]]):
    """Return all limits, by name."""


class GetLimitKeys(Request[tuple[KeyUsage, ...]]):
    """Return the keys of a limit that are in use, as `Storage.limit_keys` does."""

    name: str
    limit: int
    after: str | None = None


class ChangeLimit(Request[bool]):
    """Change what a limit allows, across restarts; without values, what is declared holds again.

    Tasks that run continue, even if they are more than it allows now. Answers whether there is such
    a limit; with values, one that is not there is made.
    """

    name: str
    values: LimitValues | None


class TakeStarts(Request[Taken | None]):
    """Take starts of a limit for what is no task; None if there is no such limit."""

    use: LimitUse


# --- schedules ----------------------------------------------------------------------------------


class GetSchedules(Request[tuple[Schedule, ...]]):
    """Return all schedules, by name."""


class GetSchedule(Request[ScheduleHistory | None]):
    """Return a schedule with its latest slots; None if there is none."""

    name: str
    slots: int


class PutSchedule(Request[Schedule | None]):
    """Create a schedule or replace its plan, as `Storage.put_schedule` does."""

    declared: Declared
    expected: int | None = None


class PauseSchedule(Request[Schedule | None]):
    """Let no slot of a schedule run until it is resumed; None if there is none."""

    name: str
    reason: str | None = None


class ResumeSchedule(Request[Schedule | None]):
    """Let the slots from now on run again; None if there is none."""

    name: str


class RunSchedule(Request[Fired]):
    """Run a schedule once, now, beside its slots: accept `task`."""

    name: str
    task: NewTask


class DeleteSchedule(Request[bool]):
    """Delete a schedule with its slots, not their tasks; False if there is none."""

    name: str


# --- the service --------------------------------------------------------------------------------


class GetReadiness(Request[Readiness]):
    """Return whether tasks can be accepted and stored now."""


class GetRunning(Request[Running]):
    """Return the attempts that run now; answered within half a second, whatever they do."""


class GetStack(Request[RunningStack | None]):
    """Return the attempt that runs at a task, with its stack; None if none runs.

    Answered within half a second, whatever it does.
    """

    task_id: str


class GetRunningLog(Request[RunningLog | None]):
    """Return what the attempt that runs at a task has logged; None if nothing or none runs."""

    task_id: str


class GetMeasures(Request[Measures]):
    """Return what this service has counted since its start; it goes on counting."""


class GetTree(Request[Node]):
    """Return the supervision tree as it stands."""


class Kill(Request[bool]):
    """Kill the actor at `path` of the tree; False if none runs there."""

    path: str


class GetConsumers(Request[ConsumersSize]):
    """Return how many shared consumers there are meant to be."""


class SetConsumers(Request[ConsumersSize]):
    """Have `count` shared consumers, across restarts; None: as many as are configured.

    Those removed finish their running tasks after this is answered. The service port raises
    `TooManyConsumers` if the process may not open that many files.
    """

    count: int | None


class GetPoolSize(Request[PoolSize | None]):
    """Return the size of the consumers that serve a queue; None if none serves it."""

    queue: str


class ChangePoolSize(Request[PoolSize | None]):
    """Change the size of the consumers that serve a queue, across restarts; return the new one.

    None: no consumer serves it. Handlers that run are not interrupted. The service port raises
    `TooManyConsumers` if the process may not open that many files.
    """

    queue: str
    change: SizeChange


# --- access -------------------------------------------------------------------------------------


class GetTokens(Request[tuple[Token, ...]]):
    """Return all access tokens."""


class NoteTokenUse(Request[None]):
    """Note by name when tokens were last used."""

    used: Mapping[str, float]


class GetChanges(Request[tuple[AuditedChange, ...]]):
    """Return what is stored of the audit trail, as `Storage.changes` does."""

    limit: int
    before: str | None = None
    task_id: str | None = None


class RecordChanges(Request[None]):
    """Store changes in the audit trail. Those that are there already are left as they are."""

    changes: tuple[AuditedChange, ...]
