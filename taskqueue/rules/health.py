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
    """How a named queue stands.

    Attributes:
        name: its name.
        paused_at: since when nothing of it is handed out; None: it is not paused.
        consumers: how many serve it.
        buffered: how many tasks are claimed ahead, and wait for a free slot.
        ageing_s: after how long a task counts as one of the next priority; None: tasks do not age.
        takes_turns: whether its tasks have flows.
        is_draining: whether this node claims nothing until it is resumed.
        is_limited: whether some of its tasks have limits: those that are full are passed over.
    """

    name: str
    paused_at: float | None
    consumers: int
    ageing_s: float | None = None
    takes_turns: bool = False
    buffered: int = 0
    is_draining: bool = False
    is_limited: bool = False
