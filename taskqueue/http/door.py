"""What is kept while gateways come and go, in the memory of the service."""

from dataclasses import dataclass, field

from taskqueue.http.audit import AuditTrail
from taskqueue.http.event_stream.broadcaster import Broadcaster
from taskqueue.http.sessions import Sessions


@dataclass(frozen=True)
class Door:
    """Sessions, the audit trail and the latest events. A restart of the gateway changes none."""

    sessions: Sessions = field(default_factory=Sessions)
    trail: AuditTrail = field(default_factory=AuditTrail)
    broadcaster: Broadcaster = field(default_factory=Broadcaster)

    def close(self) -> None:
        """Gather no more events: the service ends."""
        self.broadcaster.close()
