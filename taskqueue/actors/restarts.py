"""Notes the restarts of the service's parts, for those who look later."""

from collections.abc import Iterator
from contextlib import contextmanager

from taskqueue.events import Event, events
from taskqueue.foreign import rendering
from taskqueue.rules.service_activity import Restart, ServiceActivity

MAX_REASON = 1_000  # characters


@contextmanager
def restarts_noted(activity: ServiceActivity) -> Iterator[None]:
    """Note every restart until this is left."""

    def note(event: Event) -> None:
        activity.restarted(_restart(event))

    with events.subscribed(note, "child_restarted"):
        yield


def _restart(event: Event) -> Restart:
    fields = event.fields
    reason = fields.get("reason")
    return Restart(
        at=event.at,
        supervisor=str(fields["supervisor"]),
        child_id=str(fields["child_id"]),
        incarnation=fields["incarnation"] if isinstance(fields["incarnation"], int) else 0,
        reason=None if reason is None else rendering.text(reason)[:MAX_REASON],
    )
