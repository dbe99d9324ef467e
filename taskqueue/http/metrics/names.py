"""The metrics: names, types and labels. They are part of the interface (`docs/metrics.md`)."""

from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """One metric. Durations are in seconds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_QUEUE = ("queue",)
_LIMIT = ("limit",)

INFO = Metric("taskqueue_info", "gauge", "Always 1; names the version.", ("version",))
TASKS = Metric(
    "taskqueue_tasks_total",
    "counter",
    "Tasks enqueued, completed, dead-lettered, cancelled and expired, and attempts that failed.",
    ("queue", "action", "event"),
)
ENQUEUES = Metric(
    "taskqueue_enqueues_total",
    "counter",
    "What enqueues were answered: accepted, or what became of the task that holds the unique key.",
    ("queue", "answer"),
)
TASK_RUN = Metric(
    "taskqueue_task_run_seconds",
    "histogram",
    "How long the handlers of attempts that have ended ran.",
    ("queue", "action"),
)
TASK_WAIT = Metric(
    "taskqueue_task_wait_seconds",
    "histogram",
    "How long attempts that have ended had waited, from when their task could run.",
    _QUEUE,
)
LEASE_LOSSES = Metric(
    "taskqueue_lease_losses_total",
    "counter",
    "Attempts whose outcome was discarded, because another holder had the task.",
)
GROUPS_ENDED = Metric(
    "taskqueue_groups_ended_total",
    "counter",
    "Groups that were closed and whose tasks had all ended.",
)
DEPTH = Metric(
    "taskqueue_queue_depth",
    "gauge",
    "Tasks that have not ended.",
    ("queue", "status"),
)
OLDEST = Metric(
    "taskqueue_oldest_runnable_age_seconds",
    "gauge",
    "How long the oldest runnable task has been waiting.",
    _QUEUE,
)
LAST_CLAIM = Metric(
    "taskqueue_last_claim_age_seconds", "gauge", "Time since tasks were last claimed.", _QUEUE
)
PAUSED = Metric("taskqueue_queue_paused", "gauge", "1 while the queue is paused, else 0.", _QUEUE)
CONSUMERS = Metric("taskqueue_queue_consumers", "gauge", "Consumers that serve it.", _QUEUE)
HELD_BACK = Metric(
    "taskqueue_blocked",
    "gauge",
    "Tasks that are due and held back, by the reason.",
    ("queue", "reason"),
)
LIMIT_RUNNING = Metric(
    "taskqueue_limit_running", "gauge", "Tasks that run under a limit, of all its keys.", _LIMIT
)
LIMIT_WAITING = Metric(
    "taskqueue_limit_waiting",
    "gauge",
    "Tasks that a limit holds back, of all its keys, up to a thousand.",
    _LIMIT,
)
LIMIT_MAX = Metric(
    "taskqueue_limit_max_running",
    "gauge",
    "How many tasks a limit lets run at once for each of its keys.",
    _LIMIT,
)
LIMIT_RATE_USED = Metric(
    "taskqueue_limit_rate_used",
    "gauge",
    "Which part of its burst the rate of a limit has used, under the key that has used most.",
    _LIMIT,
)
BLOCKED = Metric(
    "taskqueue_blocked_consumers",
    "gauge",
    "Consumers whose event loop is blocked by a handler.",
)
STORAGE_UP = Metric(
    "taskqueue_storage_up", "gauge", "1 while tasks can be written to the storage, else 0."
)
COMMIT_SECONDS = Metric(
    "taskqueue_commit_seconds", "histogram", "How long commits took, with their sync."
)
COMMIT_ROWS = Metric("taskqueue_commit_rows", "histogram", "How many rows each commit changed.")
LOOP_LAG = Metric(
    "taskqueue_loop_lag_seconds",
    "histogram",
    "How late the main event loop was, measured twice a second.",
)
HOOKS_FAILED = Metric(
    "taskqueue_hooks_failed_total", "counter", "Calls of hooks that raised or took too long."
)
HOOKS_DROPPED = Metric(
    "taskqueue_hooks_dropped_total",
    "counter",
    "Calls of hooks that were not made, because too many of them waited.",
)
SCHEDULE_SLOTS = Metric(
    "taskqueue_schedule_slots_total",
    "counter",
    "Slots of schedules that fired, were skipped, and were missed.",
    ("schedule", "outcome"),
)
SCHEDULE_LAG = Metric(
    "taskqueue_schedule_lag_seconds",
    "gauge",
    "For how long a slot has been due of which nothing is decided.",
    ("schedule",),
)
RESTARTS = Metric(
    "taskqueue_actor_restarts_total",
    "counter",
    "Restarts of the parts of the service, by their path in the supervision tree.",
    ("actor",),
)
MAILBOX = Metric(
    "taskqueue_actor_mailbox_messages", "gauge", "Messages that wait in a mailbox.", ("actor",)
)
NODES = Metric(
    "taskqueue_nodes", "gauge", "Services that share the database, by their state.", ("state",)
)
HEARTBEAT_AGE = Metric(
    "taskqueue_node_heartbeat_age_seconds",
    "gauge",
    "How old the latest heartbeat of a node is: that of the node which was silent for longest.",
)
EVENT_STREAMS = Metric("taskqueue_event_streams", "gauge", "Open event streams.")

METRICS = (
    *(INFO, TASKS, ENQUEUES, TASK_RUN, TASK_WAIT, LEASE_LOSSES, GROUPS_ENDED),
    *(DEPTH, OLDEST, LAST_CLAIM, PAUSED, CONSUMERS, BLOCKED),
    *(HELD_BACK, LIMIT_RUNNING, LIMIT_WAITING, LIMIT_MAX, LIMIT_RATE_USED),
    *(STORAGE_UP, COMMIT_SECONDS, COMMIT_ROWS, LOOP_LAG),
    *(SCHEDULE_SLOTS, SCHEDULE_LAG),
    *(NODES, HEARTBEAT_AGE),
    *(HOOKS_FAILED, HOOKS_DROPPED, RESTARTS, MAILBOX, EVENT_STREAMS),
)
