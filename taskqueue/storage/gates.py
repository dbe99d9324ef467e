"""The part of a storage that knows limits: what a claim may take."""

from collections.abc import Mapping
from typing import Protocol

from taskqueue.rules.limits import GateFacts, KeyUsage, LimitUsage, LimitUse, LimitValues, Taken


class Gates(Protocol):
    """Limits on running tasks and on starts, by name and key.

    A task counts towards its limits from its claim to its settlement: what is held is what runs.
    So no slot can leak or expire while a lease is held. A start is counted at the claim. It is
    given back by a settlement that returns the attempt, such as a release or a snooze, and by a
    `Cancel` of a delivery that was never started.

    Within a key, a task that is claimed later waits behind one of its queue that comes before it in
    the order of a claim, even if it costs less.

    A task that is leased as `chained` has no slot, and counts as waiting. The settlement of one
    that has slots, of the same queue and the same limits, gives them to the first that is chained,
    in its commit; they are free when none is. So the holder of these leases may begin one of them
    whenever the handler of another has ended, before that is settled: then no more of them run than
    have slots. It must not when it has changed a limit since they were claimed. Slots pass on among
    what one owner has leased.
    """

    async def declare_limits(self, limits: Mapping[str, LimitValues], *, now: float) -> None:
        """Replace what the app declares. A limit that was changed at run time stays changed."""
        ...

    async def change_limit(self, name: str, values: LimitValues | None, *, now: float) -> bool:
        """Set what a limit allows, until it is changed again; None: what is declared holds again.

        Tasks that are held stay so, even if they are more than it allows now. Returns whether there
        is such a limit. With values, one that is not there is made.
        """
        ...

    async def limits(self, *, now: float) -> tuple[LimitUsage, ...]:
        """Return all limits, by name."""
        ...

    async def limit_keys(
        self, name: str, *, after: str | None = None, limit: int, now: float
    ) -> tuple[KeyUsage, ...]:
        """Return up to `limit` keys of a limit that have tasks, by key, behind `after`.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def take_starts(self, use: LimitUse, *, now: float) -> Taken | None:
        """Take starts of a limit for what is no task; None if there is no such limit.

        Only its rate counts; slots are for tasks.
        """
        ...

    async def charge(self, use: LimitUse, *, now: float) -> bool:
        """Count starts that were made already, even if the rate is spent: that leaves a debt.

        A negative cost gives starts back. Returns whether there is such a limit.
        """
        ...

    async def gate_of(self, task_id: str, *, now: float) -> GateFacts | None:
        """Return which limit holds a waiting task back; None if none does, as far as is known."""
        ...
