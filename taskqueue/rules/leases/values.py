"""The values of the lease ledger: deliveries on their way through it, and its actions.

The queue actor carries out the actions; `C` identifies a consumer.
"""

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from taskqueue.attempt_log import AttemptLog
from taskqueue.rules.tasks import Crashed, Delivery, Interrupted, Outcome, Succeeded
from taskqueue.structs import Struct

C = TypeVar("C", bound=Hashable)


class Reservation(NamedTuple):
    """Room kept for deliveries of a queue that are about to be claimed."""

    queue: str
    room: int
    reserved_at: float  # monotonic
    epoch: int  # of the buffer: deliveries claimed before its last release are released on arrival
    slots: int = 0  # how many of them find a free slot: only these may be tasks that have limits
    chain: int = 0  # how many more may be chained behind these
    era: int = 0  # of the chains: deliveries chained in an earlier one are released on arrival


class Taken(NamedTuple):
    """A delivery that a consumer is running."""

    delivery: Delivery
    at: float  # since when, on the wall clock
    log: AttemptLog  # written by the consumer; here it outlives it


class Finished(Struct):
    """How an attempt ended."""

    delivery: Delivery
    outcome: Outcome
    started_at: float | None  # None: its handler never began
    log: str | None = None  # JSON text; None: it has logged nothing
    lease_end: float | None = None  # of another holder's lease, which that one may extend yet

    @property
    def passes_slot_on(self) -> bool:
        """Whether the next in its chain may begin before this is written.

        Not if the task is to be done again: it may come first. Nor if its transaction is still to
        be applied: what follows shall see it.
        """
        return (
            self.delivery.task.limits is not None
            and isinstance(self.outcome, Succeeded)
            and not self.outcome.statements
        )


class ConsumerEnd(Struct):
    """How a consumer ended."""

    consumer: str
    reason: str
    ordered: bool  # it was stopped
    culprit: str | None = None  # the token of the attempt that took it down, if one did

    def outcome_of(self, token: str) -> Outcome:
        """Return how an attempt ended that this consumer was running."""
        if self.ordered:
            return Interrupted()
        if self.culprit not in (None, token):  # an attempt in another slot took the consumer down
            return Interrupted(holder_died=True)
        return Crashed(error=f"consumer ended: {self.reason}")


class Settle(Struct):
    """Write these outcomes."""

    finished: tuple[Finished, ...]
    rescue: str | None = None  # why no consumer reports them


class Wake(Struct, Generic[C]):
    """Notify a consumer that there are deliveries to take."""

    consumer: C


class CancelRunning(Struct, Generic[C]):
    """Have a consumer cancel the handler it runs under this token."""

    consumer: C
    token: str
    reason: str


class Search(Struct):
    """Search the storage for orphans soon."""


class NothingRuns(Struct):
    """The ledger is shut, and no attempt runs."""


Action: TypeAlias = Settle | Wake[C] | CancelRunning[C] | Search | NothingRuns
Actions: TypeAlias = tuple[Action[C], ...]
