"""What a storage backend must do: the queue's verbs, one semantics on every engine.

Nothing above this seam knows a row; nothing below it knows a retry rule or an actor. Every verb is
batch-shaped and takes `now` (UTC epoch seconds), so time is the caller's. A verb that writes is
durable when it returns; verbs awaited at the same time may share one commit, in the order in which
they were called. A caller that is cancelled leaves its write undecided and its neighbours alone.
`taskqueue.testing.contract` is the suite that every backend passes; `memory` is the obvious one and
so the model.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from taskqueue.rules.tasks import (
    Accepted,
    CancelResult,
    Delivery,
    NewTask,
    NotApplied,
    Owner,
    Rows,
    SettleBy,
    Settled,
    Statement,
    Status,
    Task,
    TaskHistory,
)
from taskqueue.structs import Struct


class Migration(Struct):
    """One step of the schema that `migrate` has taken."""

    version: int
    name: str


class Storage(Protocol):
    """A place where tasks are kept.

    Every verb but `close` raises `StorageUnavailable` if the engine cannot serve now (not open,
    locked, file lost, disk full, I/O error) and `StorageCorrupt` if what is there is no usable
    database. After either, a write may or may not have happened: inserts are safe to repeat by id,
    settlements by token.
    """

    async def open(self) -> None:
        """Open what `migrate` has made; ready for every other verb when this returns.

        Never creates anything: a file that vanished must not come back empty. Harmless when open.

        Raises:
            StorageUnavailable: it is not there, locked by another process, or not readable.
            StorageCorrupt: what is there is no database.
            SchemaMismatch: it was written by another release, or never migrated.
        """
        ...

    async def close(self) -> None:
        """Finish what is in progress and let go of everything. Harmless when not open."""
        ...

    async def migrate(self) -> tuple[Migration, ...]:
        """Create or bring the schema up to date; return the steps taken, none if it was.

        All steps commit together or none does. Works before `open`, and beside an open storage.
        Whoever migrates has the storage to itself from then on, until `close`.

        Raises:
            StorageUnavailable: it is locked by another process, or cannot be created.
            StorageCorrupt: what is there is no database.
            SchemaMismatch: the schema is newer than this release.
        """
        ...

    async def probe(self) -> None:
        """Make sure that a write can be made durable now; leaves nothing behind.

        Writes as much as a busy commit does, so that a disk which has room for a few bytes only is
        still found full.
        """
        ...

    async def insert(self, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
        """Accept `tasks`, in one commit; answer in the order given.

        One whose `run_at` lies after `now` is `scheduled`, any other `queued`. What is there
        already is left as it is: a task of the same id, or of the same `unique_key` and the same
        `fingerprint`, is `REPEATED`. Another fingerprint under that key is a `CONFLICT`: that one
        is passed over, and the others are accepted. A key is free again when its task is expired or
        deleted.
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

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        """Answer the rows of `query` as if `statements` had been applied before; then undo it all.

        Sees what is committed, and perhaps what shares its commit.

        Raises:
            StatementRefused: SQL that is wrong, not allowed (see `settle`), takes longer than
                `limit_s` seconds, or answers more than a mebibyte.
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

    async def get(self, task_id: str, *, now: float) -> TaskHistory | None:
        """Return a task with its latest 200 attempts, oldest first; None if there is no such task.

        The attempt that completed it is the last line of the history.
        """
        ...

    async def cancel(
        self, task_ids: Sequence[str], *, reason: str, now: float
    ) -> tuple[CancelResult, ...]:
        """End as `cancelled` what nobody holds, mark what is held; answer in the order given.

        What is marked has `cancel_reason`, and ends when it is settled, even if its holder dies
        before it has heard of this. A first reason stays. The history of what ends at once gets no
        line: no attempt was made.
        """
        ...

    async def pause(self, queue: str, *, now: float) -> None:
        """Let nothing of this queue be claimed until `resume`. It outlives the process.

        Pausing what is paused changes nothing.
        """
        ...

    async def resume(self, queue: str) -> None:
        """Let it be claimed again. Harmless when it was not paused."""
        ...

    async def paused(self) -> Mapping[str, float]:
        """Return the paused queues, and since when."""
        ...

    async def find(
        self,
        *,
        status: Status | None = None,
        action: str | None = None,
        queue: str | None = None,
        before: str | None = None,
        limit: int,
        now: float,
        max_bytes: int | None = None,
        brief: bool = False,
    ) -> tuple[Task, ...]:
        """Return up to `limit` tasks, newest (greatest id) first, with ids less than `before`.

        A scheduled task whose `run_at` has come reads `queued`, here and in `get`. The last task
        is the one with which payloads, results and progress exceed `max_bytes` together; no row
        after it is read. In a `brief` answer these are not read at all: payloads are empty, results
        and progress None.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def counts(self) -> Mapping[Status, int]:
        """Return how many tasks stand where, without scanning; `scheduled` is as written."""
        ...

    async def redrive(self, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
        """Queue dead tasks again with all their attempts before them; return those that were dead.

        `attempt`, `crashes` and `deliveries` start at 0, `reason` is cleared, `run_at` is `now`;
        the history stays.
        """
        ...

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete those of these tasks that have ended, with their history; return which."""
        ...

    async def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        """Delete up to `limit` tasks that ended in `status` before that instant; return how many.

        Those that ended first go first, each with its history.

        Raises:
            ValueError: `status` is not an end, or `limit` is negative.
        """
        ...
