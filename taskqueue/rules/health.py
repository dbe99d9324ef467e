"""Whether a part can do its work."""

from taskqueue.structs import Struct


class Readiness(Struct):
    """Whether a part, or the whole, can do its work now; `reason` says why not."""

    ready: bool
    reason: str | None = None


class Availability:
    """Whether the storage can be written now: set by the database actor, read by the HTTP layer.

    Shared memory, so that a request can be refused before its body is read without asking another
    actor first. It may lag behind by a moment; the storage itself decides.
    """

    def __init__(self) -> None:
        self.unavailable: str | None = None
        """Why nothing can be written; None if it can."""


class QueueState(Struct):
    """How a named queue stands."""

    name: str
    paused_at: float | None  # since when nothing of it is handed out
    consumers: int  # how many serve it
    ageing_s: float | None = None  # after how long a task counts as one of the next priority
    takes_turns: bool = False  # whether its tasks have flows
