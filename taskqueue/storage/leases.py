"""The part of a storage that hands out tasks, and takes back what became of them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from taskqueue.rules.tasks import (
    Accepted,
    Delivery,
    NewTask,
    NotApplied,
    Owner,
    SettleBy,
    Settled,
)


class Leases(Protocol):
    """Deliveries: each is held under a lease by one owner, and known by its token."""

    async def claim(
        self, queue: str, *, limit: int, owner: Owner, lease_s: float, now: float
    ) -> tuple[Delivery, ...]:
        """Lease up to `limit` ready tasks to `owner`; count one attempt and one delivery on each.

        Highest priority first (0 before 1), then oldest `run_at`, then id. Ready are `queued`,
        `scheduled` and `retrying` tasks that nobody holds and whose `run_at` is not after `now`.
        Nobody else gets them until `rescue` found them past `now + lease_s` and they were settled.
        Their status stays as it is until `start`. A paused queue has nothing ready.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def insert_and_claim(
        self,
        tasks: Sequence[NewTask],
        *,
        room: Mapping[str, int],
        owner: Owner,
        lease_s: float,
        now: float,
    ) -> tuple[tuple[Accepted, ...], tuple[Delivery, ...]]:
        """Accept `tasks` as `insert` does; lease those that need not wait, in the same commit.

        These are, of each queue there is `room` for, as many as that, the first in the order of a
        `claim`: none if anything of that queue was ready before, so that nobody is overtaken, or
        the queue is paused. Those of them that were there already are left alone. Answers what
        `insert` does, and the deliveries, those of a queue in the order of a claim.
        """
        ...

    async def start(self, tokens: Sequence[str], *, now: float) -> None:
        """Note that these deliveries have left the buffer: `running`, `started_at` is `now`.

        A token that no longer holds is passed over, as is one that was started before.
        """
        ...

    async def extend(self, tokens: Sequence[str], *, lease_s: float, now: float) -> tuple[str, ...]:
        """Hold these deliveries until `now + lease_s`; return the tokens that no longer hold."""
        ...

    async def report(self, progress: Mapping[str, str], *, now: float) -> None:
        """Note the progress (JSON text) of deliveries, by token, and pass over what does not hold.

        Progress stays with the task until its next attempt is started.
        """
        ...

    async def settle(
        self, settlements: Sequence[SettleBy], *, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        """Write each settlement whose token still holds; answer in the order given.

        A lease that has run out still holds as long as nobody else settled it. Settling twice with
        the same token and the same kind of settlement is `REPEATED`, until the task is settled by
        another token; anything else is `LEASE_LOST`.

        | settlement | status | attempt | line in the history |
        |---|---|---|---|
        | `Complete` | `completed`, `reason` cleared | used | the completing attempt |
        | `Requeue` | `retrying`, `reason` is the error | used | its outcome and error |
        | `Postpone` | `scheduled` | returned | its outcome and error |
        | `DeadLetter` | `dead` | used | its outcome and error |
        | `Cancel` | `cancelled` | used | `CANCELLED`, the reason as its error |
        | `Release` | as it was before `start` | returned | `INTERRUPTED` if it was started |

        A line bears the number of the attempt as it was made, also if that is returned, and has no
        `started_at` if the delivery was never started; nor has the task then, unless handed back.
        The outcome `CRASHED` counts a crash. `follow_ups` are inserted as by `insert`, at `now`; a
        conflict of their keys is passed over. A `Release` of what was never started returns the
        delivery as well, unless it says that it counts. Whatever would leave a task to be done
        again ends it `cancelled` if its cancellation was asked for: with its line in the history,
        and `cancel_reason` as `reason`. The answer is `CANCELLED` then.

        With `started_at`, a lease that is not running is settled as if `start` had noted it at that
        instant just before: a short attempt needs no `start` of its own. That takes away progress
        reported until then, so whoever reports some starts first. What `start` has noted stays.
        What is not written is not started either, and its `statements` see it as not started.

        The `statements` of a `Complete` are applied before it, in order, in a savepoint of their
        own. They may read and write any table but the queue's own (which they may read), and not
        touch transactions, attached files or pragmas. If one fails, takes the settlement longer
        than a second, or answers rows of another digest than it `saw`, nothing of this settlement
        is written, its neighbours are not disturbed, and the answer is `NotApplied`.
        """
        ...

    async def held(self, owner: Owner) -> tuple[Delivery, ...]:
        """Return what exactly this owner holds, started or not.

        Oldest claim first, then in the order of a claim.
        """
        ...

    async def rescue(self, owner: Owner, *, now: float) -> tuple[Delivery, ...]:
        """Return the deliveries that nobody will settle, for the caller to settle by their token.

        These are what another incarnation of `owner.node` holds, whatever its lease says, and what
        anybody holds past its lease (`expires_at < now`), oldest claim first. Writes nothing: until
        the caller settles, the old holder still may.
        """
        ...

    async def next_due(self, queue: str) -> float | None:
        """Return the earliest `run_at` of the tasks that nobody holds, None if there are none.

        None for a paused queue.
        """
        ...

    async def all_due(self) -> Mapping[str, float]:
        """Return `next_due` of each queue that has one."""
        ...
