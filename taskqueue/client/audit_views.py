"""The audit trail of a service, as the client returns it."""

from collections.abc import Sequence

from taskqueue.structs import Struct


class Change(Struct):
    """One change of the service's state, from its audit trail."""

    id: str
    at: float
    role: str
    """What the call needs: `enqueue` or `admin`."""
    who: str
    """The name of a token, or `local`; with the remote `file` a user of the operating system."""
    remote: str
    method: str
    path: str
    status: int
    body: str | None = None


class Changes(Struct):
    """A page of changes, and where the next one begins."""

    changes: Sequence[Change]
    next: str | None = None
