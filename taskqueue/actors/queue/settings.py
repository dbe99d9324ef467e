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
    """Returns the retry policy of an action; None: `retry` for all."""
    limits: Mapping[str, LimitValues] = {}
    """The values that the app declares for each limit."""
    ageing: Mapping[str, float] = {}
    """After how many seconds a task of a queue counts as one of the next higher priority."""
    fair_queues: frozenset[str] = frozenset()
    """The queues whose tasks take turns: these are claimed only into free slots."""

    def policy_of(self, action: str) -> RetryPolicy:
        """Return the retry policy of `action`."""
        return self.retry if self.retry_of is None else self.retry_of(action)
