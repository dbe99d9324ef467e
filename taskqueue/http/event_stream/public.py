"""Which events clients may see, which of their fields, and how they look on the wire.

    id: 9f2c01ab-17
    event: task_completed
    data: {"at":1800000000.0,"task_id":"…","action":"resize","queue":"default","attempt":1,…}

The names and the fields are those of the log (`docs/logs.md`). What is not listed here is never
sent: no payload, no result, no traceback.
"""

from collections.abc import Mapping, Sequence

import msgspec

from taskqueue.events import Event
from taskqueue.foreign import rendering
from taskqueue.structs import Struct

GAP = "gap"
"""The name of the event that says that others were missed."""

MAX_TEXT = 1_000  # characters of one field

_ATTEMPT = ("task_id", "action", "queue", "attempt")
_SLOT = ("schedule", "slot")
_SCHEDULE = ("schedule", "action", "when", "origin")
_CHILD = ("supervisor", "child_id", "incarnation")
_EXIT = (*_CHILD, "reason", "restart")

FIELDS: Mapping[str, Sequence[str]] = {
    "task_enqueued": ("task_id", "action", "queue", "run_at"),
    "attempt_started": (*_ATTEMPT, "consumer"),
    "task_progress": (*_ATTEMPT, "progress"),
    "task_completed": (*_ATTEMPT, "outcome"),
    "task_requeued": (*_ATTEMPT, "outcome", "run_at", "error"),
    "task_postponed": (*_ATTEMPT, "outcome", "run_at"),
    "task_dead_lettered": (*_ATTEMPT, "outcome", "reason"),
    "task_cancelled": (*_ATTEMPT, "outcome", "reason"),
    "task_handed_back": (*_ATTEMPT, "outcome"),
    "task_rescued": (*_ATTEMPT, "why"),
    "task_cancel_requested": ("task_id", "reason"),
    "task_edited": ("task_id", "changed"),
    "task_redriven": ("task_id",),
    "task_deleted": ("task_id",),
    "dead_redriven": ("action", "queue", "tasks"),
    "dead_deleted": ("action", "queue", "tasks"),
    "tasks_expired": ("status", "tasks"),
    "group_ended": ("group", "completed", "dead", "cancelled", "then"),
    "queue_paused": ("queue",),
    "queue_resumed": ("queue",),
    "node_draining": ("node",),
    "node_resumed": ("node",),
    "limit_changed": ("limit", "running", "starts", "per_s", "burst"),
    "schedule_created": _SCHEDULE,
    "schedule_changed": _SCHEDULE,
    "schedule_fired": (*_SLOT, "task_id", "late_s"),
    "schedule_waiting": (*_SLOT, "reason"),
    "schedule_skipped": (*_SLOT, "reason"),
    "schedule_missed": (*_SLOT, "slots", "reason"),
    "schedule_paused": ("schedule", "reason"),
    "schedule_undeclared": ("schedule", "reason"),
    "schedule_resumed": ("schedule",),
    "schedule_deleted": ("schedule",),
    "child_started": _CHILD,
    "child_exited": _EXIT,
    "child_terminated": _EXIT,
    "child_restarted": _EXIT,
    "child_start_failed": _EXIT,
    "child_stopped": _EXIT,
    "supervisor_escalated": _EXIT,
    "consumer_blocked": ("consumer", "for_s", "handler"),
    "consumer_unblocked": ("consumer", "for_s"),
    "loop_lagged": ("late_s", "handlers"),
    "storage_degraded": ("reason",),
    "storage_ready": (),
    "service_stopping": ("drain_s",),
    "audit_change": ("who", "remote", "method", "path", "status", "body"),
}
"""The fields of each event, by its name."""

FOR_ADMINS = "audit_change"
"""Who has changed what is shown to the role `admin` only, as in `GET /audit`."""


class PublicEvent(Struct):
    """One event as clients see it; what it is filtered by, and its name and data on the wire."""

    name: str
    lines: bytes
    task_id: str | None = None
    action: str | None = None
    queue: str | None = None

    def block(self, event_id: str) -> bytes:
        """Return it as it is sent under this id."""
        return b"id: %b\n%b" % (event_id.encode(), self.lines)


def public(event: Event) -> PublicEvent | None:
    """Return what clients see of an event; None if they see nothing of it."""
    names = FIELDS.get(event.name)
    if names is None or (event.name == FOR_ADMINS and event.level == "debug"):
        return None  # each enqueue is a change, and an event of its own
    fields = event.fields
    data = {name: _shown(fields[name]) for name in names if fields.get(name) is not None}
    return PublicEvent(
        name=event.name,
        lines=_lines(event.name, {"at": event.at, **data}),
        task_id=_text(data.get("task_id")),
        action=_text(data.get("action")),
        queue=_text(data.get("queue")),
    )


def gap(after: str) -> PublicEvent:
    """Return the event that says that others after the id `after` were missed."""
    return PublicEvent(name=GAP, lines=_lines(GAP, {"after": after[:MAX_TEXT]}))


def _lines(name: str, data: Mapping[str, object]) -> bytes:
    encoded = msgspec.json.encode(data, enc_hook=rendering.text)
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encoded)


def _shown(value: object) -> object:
    """Return a field's value; long texts, such as those of exceptions, are cut."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"{value[: MAX_TEXT - 1]}…"
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)
