"""The part of a storage that leases tasks and settles their attempts."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from taskqueue.rules.expiry import ExpiredTask
from taskqueue.rules.tasks import (
    Accepted,
    Delivery,
    NewTask,
    NotApplied,
    Owner,
    SettleBy,
    Settled,
    Task,
)


class Leases(Protocol):
    """Deliveries: each is leased to one owner, and known by its token."""

    async def claim(
        self,
        queue: str,
        *,
        limit: int,
        most_limited: int | None = None,
        chain: int = 0,
        ageing_s: float | None = None,
        owner: Owner,
        lease_s: float,
        now: float,
    ) -> tuple[Delivery, ...]:
        """Lease up to `limit` ready tasks to `owner`; count one attempt and one delivery on each.

        Highest priority first (0 before 1), then what is done again after a failure, then oldest
        `run_at`, then id. A task that has limits is passed over if one of them is used up (see
        `Gates`). No more than `most_limited` that have limits are leased: the claim ends before the
        next that could be, so that no other overtakes it.

        An engine may need several claims to pass over a long backlog, so that other commits come in
        between. Then the answer is `Unfinished`, perhaps an empty one, and the caller claims again
        at once. Each of these claims goes further.

        Up to `chain` more are leased, after the others and as `chained`, that wait for a slot which
        this claim has given to a task with the same limits (see `Gates`). None comes, in the order
        of a claim, behind a task that waits for one of these limits and has others, behind a task
        that could be claimed and is left, or behind one that is leased beyond `most_limited`. There
        are none of limits that have rates, none with `ageing_s`, none where tasks take turns, and
        an engine may lease fewer.

        With `ageing_s` a task counts as one of the next higher priority after each so many seconds
        that it has been due: the priority with the least `run_at + ageing_s * priority` is next.
        That is the `run_at` of its task that has been due longest; of those that take turns the
        first one counts. The order within a priority is the same.

        Ready are `queued`, `scheduled` and `retrying` tasks without a lease whose `run_at` is not
        after `now`. No other claim gets them until `rescue` finds them past `now + lease_s` and
        they are settled. Their status does not change before `start`. A paused queue has nothing
        ready. A task that has expired is ready all the same until `expire_waiting` has ended it:
        the caller must not begin it.

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

        Of each queue in `room`, up to that many are leased, in the order of a `claim`. None is if a
        task of that queue was ready before, which must not be overtaken, if one of them has limits,
        or if the queue is paused.
        Tasks that were stored already are not leased. Answers what `insert` does, and the
        deliveries, those of a queue in the order of a claim.
        """
        ...

    async def start(self, tokens: Sequence[str], *, now: float) -> None:
        """Mark these deliveries as `running`, with `now` as `started_at`.

        Tokens that no longer hold, or were started before, are skipped.
        """
        ...

    async def extend(self, tokens: Sequence[str], *, lease_s: float, now: float) -> tuple[str, ...]:
        """Hold these deliveries until `now + lease_s`; return the tokens that no longer hold."""
        ...

    async def report(self, progress: Mapping[str, str], *, now: float) -> None:
        """Store the progress (JSON text) of deliveries by token; skip tokens that do not hold.

        Progress stays with the task until its next attempt is started.
        """
        ...

    async def settle(
        self, settlements: Sequence[SettleBy], *, patient: bool = False, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        """Write each settlement whose token still holds; answer in the order given.

        An expired lease still holds until another token settles the task. Settling twice with the
        same token and the same kind of settlement is `REPEATED`, until the task is settled by
        another token; anything else is `LEASE_LOST`. So is a settlement with a `lease_end` if the
        lease ends later: between a `rescue` and its settlement the holder may have extended it.

        | settlement | status | attempt | line in the history |
        |---|---|---|---|
        | `Complete` | `completed`, `reason` cleared | used | the completing attempt |
        | `Requeue` | `retrying`, `reason` is the error | used | its outcome and error |
        | `Postpone` | `scheduled` | returned | its outcome and error |
        | `DeadLetter` | `dead` | used | its outcome and error |
        | `Cancel` | `cancelled` | used | `CANCELLED`, the reason as its error |
        | `Release` | as it was before `start` | returned | `INTERRUPTED` if it was started |

        A line has the number that the attempt had, even if the attempt is returned, and the `log`
        of its settlement. It has no `started_at` if the delivery was never started, and then
        neither has the task, unless it was released. The outcome `CRASHED` counts a crash.
        `follow_ups` are inserted as by `insert`, at `now`; a conflict of their keys is skipped. A
        `Release` of a delivery that was never started returns the delivery too, unless it says that
        it counts. A settlement after which the task would run again ends it as `cancelled` if its
        cancellation was requested: with its line in the history, and `cancel_reason` as `reason`.
        The answer is `CANCELLED` then.

        `started_at` settles a lease that is not running like one that was started at that instant
        just before: a short attempt needs no `start` of its own. It clears progress that was
        reported until then, so a handler that reports some is started first. A `start` that was
        written stays. A settlement that is not written does not start the task either, and its
        `statements` see it as not started.

        The `statements` of a `Complete` are applied before it, in order, in a savepoint of their
        own. They may read and write any table but the queue's own (which they may read), and not
        touch transactions, attached files or pragmas. If one fails, takes the settlement longer
        than a second, or answers rows of another digest than it `saw`, nothing of this settlement
        is written, its neighbours are not disturbed, and the answer is `NotApplied`.

        If the caller is `patient`, an engine may write a few milliseconds later, in one commit with
        what comes until then.
        """
        ...

    async def held(self, owner: Owner) -> tuple[Delivery, ...]:
        """Return the deliveries of exactly this owner, started or not.

        Oldest claim first, then in the order of a claim.
        """
        ...

    async def cancel_requests(self, owner: Owner) -> Mapping[str, str]:
        """Return the tokens of this owner's deliveries that `cancel` has marked, with the reasons.

        Another process may have called it.
        """
        ...

    async def rescue(self, owner: Owner, *, now: float) -> tuple[Delivery, ...]:
        """Return the deliveries whose holder is dead or silent, for the caller to settle by token.

        These are all deliveries of other incarnations of `owner.node`, whatever their leases say,
        and all with an expired lease (`expires_at < now`), oldest claim first. Writes nothing:
        until the caller settles, the old holder still may, or may extend the lease. So the caller
        settles with the `lease_end` that it was shown.
        """
        ...

    async def ahead(self, task: Task, *, limit: int, now: float) -> int:
        """Return how many due tasks of its queue would be claimed before `task`, up to `limit`.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def next_expiry(self) -> float | None:
        """Return the earliest `expires_at` of the tasks that may expire, None if there are none.

        These are tasks without a lease that have never been started, nor been claimed and settled.
        """
        ...

    async def expire_waiting(self, *, limit: int, now: float) -> tuple[ExpiredTask, ...]:
        """End up to `limit` tasks that may expire, and did by `now`, those first that did first.

        They are `cancelled`, with `EXPIRED` as reason and no line in their history. A task that is
        redriven does not expire any more.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def next_due(self, queue: str) -> float | None:
        """Return the earliest `run_at` of the tasks without a lease, None if there are none.

        None for a paused queue.
        """
        ...

    async def all_due(self) -> Mapping[str, float]:
        """Return `next_due` of each queue that has one."""
        ...
