"""The state of HTTP that survives restarts of the gateway, in the memory of the service."""

from dataclasses import dataclass, field

from taskqueue.http.audit import AuditTrail
from taskqueue.http.event_stream.broadcaster import Broadcaster
from taskqueue.http.sessions import Sessions


@dataclass(frozen=True)
class HttpState:
    """The sessions, the audit trail and the latest events."""

    sessions: Sessions = field(default_factory=Sessions)
    trail: AuditTrail = field(default_factory=AuditTrail)
    broadcaster: Broadcaster = field(default_factory=Broadcaster)

    def close(self) -> None:
        """Gather no more events: the service ends."""
        self.broadcaster.close()
