"""The entries of the audit trail: who has changed what, and from where. Pure."""

from taskqueue.rules.access import Role
from taskqueue.structs import Struct

MAX_STORED = 10_000
"""How many changes of each role the trail keeps: a flood of one does not push out the other."""


class AuditedChange(Struct):
    """One change of the service's state, by one call."""

    id: str
    """Grows with time, so it is also the place in the trail."""
    at: float
    role: Role
    """What the call needs."""
    who: str
    remote: str
    method: str
    path: str
    status: int
    """Of the answer. From 500 on it is not known whether anything was changed."""
    body: str | None = None
    """The request's, of calls whose body says what is changed: the first 1,000 bytes."""

    @property
    def size(self) -> int:
        """How many bytes its texts have."""
        texts = (self.who, self.remote, self.path, self.body or "")
        return sum(len(text.encode()) for text in texts)

    def names(self, task_id: str) -> bool:
        """Tell whether it names this task, by its id in the path or in the body."""
        return any(task_id in text.lower() for text in (self.path, self.body or ""))
