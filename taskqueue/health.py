"""Whether a part can do its work."""

from taskqueue.words import Word


class Readiness(Word):
    """Whether a part, or the whole, can do its work now; `reason` says why not."""

    ready: bool
    reason: str | None = None


class QueueState(Word):
    """How a named queue stands."""

    name: str
    paused_at: float | None  # since when nothing of it is handed out
    consumers: int  # how many serve it
