"""Whether a part can do its work."""

from taskqueue.words import Word


class Readiness(Word):
    """Whether a part, or the whole, can do its work now; `reason` says why not."""

    ready: bool
    reason: str | None = None
