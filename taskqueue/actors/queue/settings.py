"""How the queue actor hands out work."""

from collections.abc import Callable, Mapping

from taskqueue.rules.limits import LimitValues
from taskqueue.rules.policy import RetryPolicy
from taskqueue.structs import Struct


class QueueSettings(Struct):
    """How the queue hands out work."""

    queues: tuple[str, ...]  # those that are served
    prefetch: int = 5
    lease_s: float = 30.0
    retry: RetryPolicy = RetryPolicy()
    retry_of: Callable[[str], RetryPolicy] | None = None
    """How failures of an action are answered; None: as `retry` says."""
    limits: Mapping[str, LimitValues] = {}
    """What the app declares of each limit."""
    ageing: Mapping[str, float] = {}
    """After how many seconds a task of a queue counts as one of the next higher priority."""
    fair_queues: frozenset[str] = frozenset()
    """Those whose tasks take turns: none of them is claimed ahead of a free slot."""

    def policy_of(self, action: str) -> RetryPolicy:
        """Return how failures of `action` are answered."""
        return self.retry if self.retry_of is None else self.retry_of(action)
