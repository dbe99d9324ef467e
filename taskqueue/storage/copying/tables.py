"""The tables that a copy takes along, with the columns that all engines have.

Left out is what an engine counts or keeps for itself alone: its counters, which the writers make
anew, the row that `probe` writes, and the nodes, none of which may be alive.
"""

from functools import cached_property

import msgspec


class Table(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A table: its primary key, and its columns by what they hold.

    Rows are copied in the order of the key, which is the same in all engines: texts are compared
    byte by byte.
    """

    name: str
    key: tuple[str, ...]
    integers: tuple[str, ...] = ()
    reals: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order of a row."""
        return (*self.integers, *self.reals, *self.texts, *self.flags, *self.blobs)

    def place(self, column: str) -> int:
        """Return where in a row a column stands."""
        return self.columns.index(column)


TASKS = Table(
    name="tasks",
    key=("seq",),
    integers=("seq", "priority", "attempt", "max_attempts", "crashes", "deliveries"),
    reals=(
        "created_at",
        "processed_at",
        "run_at",
        "started_at",
        "claimed_at",
        "expires_at",
        "start_by",
        "turn",
        "weight",
    ),
    texts=(
        *("id", "payload", "status", "result", "action", "queue", "reason"),
        *("token", "node", "incarnation", "waited_as", "settled_token", "settled_as"),
        *("unique_key", "fingerprint", "unique_until", "former_key"),
        *("progress", "cancel_reason", "edits", "log", "traceparent"),
        *("limits", "gate", "flow", "group_name", "parent", "schedule", "error_pattern"),
    ),
)

_GROUP_COUNTS = ("queued", "scheduled", "running", "retrying", "completed", "dead", "cancelled")

TABLES = (
    Table(
        name="access_tokens",
        key=("name",),
        texts=("name", "role"),
        blobs=("digest",),
        reals=("created_at", "expires_at", "used_at"),
    ),
    Table(name="consumer_sizes", key=("pool",), texts=("pool",), integers=("consumers", "slots")),
    Table(name="paused", key=("queue",), texts=("queue",), reals=("paused_at",)),
    Table(
        name="task_limits",
        key=("name",),
        texts=("name", "declared", "changed"),
        reals=("changed_at",),
    ),
    Table(
        name="task_schedules",
        key=("name",),
        texts=("name", "origin", "plan", "pause_reason", "last"),
        integers=("version", "fired", "skipped", "missed"),
        reals=("active_from", "decided_to", "created_at", "changed_at", "paused_at"),
        flags=("is_declared",),
    ),
    Table(
        name="schedule_slots",
        key=("schedule", "at", "run_now"),
        texts=("schedule", "outcome", "reason", "task_id"),
        integers=("slots",),
        reals=("at", "decided_at"),
        flags=("run_now", "is_open"),
    ),
    Table(
        name="task_groups",
        key=("seq",),
        texts=("name", "then_task", "then_id"),
        integers=("seq", *_GROUP_COUNTS),
        reals=("created_at", "closed_at", "ended_at", "then_at"),
    ),
    TASKS,
    Table(
        name="attempts",
        key=("seq",),
        texts=("outcome", "error", "traceback", "log"),
        integers=("seq", "task", "attempt"),
        reals=("started_at", "ended_at"),
    ),
    Table(
        name="held_slots",
        key=("task", "gate"),
        texts=("gate", "name"),
        integers=("task",),
        reals=("cost",),
    ),
    Table(name="gate_debts", key=("gate",), texts=("gate",), reals=("debt_at",)),
    Table(name="gate_openings", key=("gate",), texts=("gate",), reals=("at",)),
    Table(
        name="flow_turns",
        key=("queue", "priority", "flow"),
        texts=("queue", "flow"),
        integers=("priority",),
        reals=("turn",),
    ),
    Table(
        name="served_turns",
        key=("queue", "priority"),
        texts=("queue",),
        integers=("priority",),
        reals=("turn",),
    ),
    Table(
        name="audited_changes",
        key=("id",),
        texts=("id", "role", "who", "remote", "method", "path", "body"),
        integers=("status",),
        reals=("at",),
    ),
)
"""All of them, in the order in which they are copied."""
