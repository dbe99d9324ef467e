"""What is remembered about callers while gateways come and go, in the memory of the service."""

from dataclasses import dataclass, field

from taskqueue.http.audit import AuditTrail
from taskqueue.http.sessions import Sessions


@dataclass(frozen=True)
class Door:
    """Sessions and the audit trail. A restart of the gateway changes neither."""

    sessions: Sessions = field(default_factory=Sessions)
    trail: AuditTrail = field(default_factory=AuditTrail)
