"""The part of the lease ledger that settles and releases, what waits in chains included."""

from collections.abc import Collection, Iterable, Sequence
from typing import Generic

from taskqueue.rules import policy
from taskqueue.rules.leases.chains import Chains, Key
from taskqueue.rules.leases.values import Actions, C, Finished, Settle
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import Delivery, Interrupted, Outcome


class Releases(Generic[C]):
    """What is being settled, and what waits in chains behind it."""

    def __init__(self, retry: RetryPolicy) -> None:
        self._retry = retry
        self._chains = Chains()
        self._settling: set[str] = set()
        self._unwanted: dict[str, str] = {}  # runs although its task is cancelled: reasons

    @property
    def chained_keys(self) -> Collection[Key]:
        """The queues and limits with deliveries that wait in chains."""
        return self._chains.chained_keys

    def release_late(self, *, at: float) -> Actions[C]:
        """Release what has waited in chains for longer than it may. `at`: the monotonic clock."""
        return self._settle_alike(self._chains.release_late(at=at), Interrupted())

    def bar_chains(self) -> Actions[C]:
        """A limit is about to change: release what waits in chains, and chain nothing."""
        return self._settle_alike(self._chains.bar(), Interrupted())

    def unbar_chains(self) -> Actions[C]:
        """The limit has changed, or it could not be."""
        self._chains.unbar()
        return ()

    def settled(self, tokens: Iterable[str]) -> None:
        """The storage has answered these settlements."""
        self._settling.difference_update(tokens)

    def _settle_alike(self, deliveries: Sequence[Delivery], outcome: Outcome) -> Actions[C]:
        finished = [never_begun(each, outcome) for each in deliveries]
        return (self._settle(finished),) if finished else ()

    def _settle(self, finished: Sequence[Finished], rescue: str | None = None) -> Settle:
        tokens = [each.delivery.token for each in finished]
        self._settling.update(tokens)
        if self._unwanted:
            for token in tokens:
                self._unwanted.pop(token, None)
        return Settle(finished=tuple(finished), rescue=rescue)

    def _released_by(self, ended: Sequence[Finished]) -> list[Finished]:
        """Return what is to be released, because of what has ended and passed no slot on."""
        limited = (each.delivery for each in ended if each.delivery.task.limits is not None)
        waited = (behind for each in limited for behind in self._chains.end(each))
        return [never_begun(each, Interrupted()) for each in waited]

    def _abandoned(self, delivery: Delivery, lease_end: float | None = None) -> Finished:
        outcome = policy.abandoned(delivery.task, started=delivery.started, policy=self._retry)
        return Finished(delivery=delivery, outcome=outcome, started_at=None, lease_end=lease_end)


def never_begun(delivery: Delivery, outcome: Outcome) -> Finished:
    """Return the end of a delivery whose handler has not begun."""
    return Finished(delivery=delivery, outcome=outcome, started_at=None)
