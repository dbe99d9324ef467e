"""What the verbs about schedules do, in a transaction or on a connection that reads.

The rules decide how a schedule changes. Here its row is locked, read and written, in one
transaction: `FOR UPDATE`, because any number of nodes fire the same slot at once. A slot is its
primary key, so the second finds it decided.
"""

from collections.abc import Sequence

from taskqueue.rules.schedules.changes import Declaration
from taskqueue.rules.schedules.values import (
    Declared,
    Fired,
    Firing,
    Passed,
    Schedule,
    ScheduleHistory,
)
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.transaction import Transaction


async def every(db: SQL) -> tuple[Schedule, ...]:
    """Return all schedules by name."""
    raise NotImplementedError


async def history(db: SQL, name: str, slots: int) -> ScheduleHistory | None:
    """Return a schedule with its latest slots."""
    raise NotImplementedError


async def put(
    tx: Transaction, declared: Declared, *, expected: int | None, now: float
) -> Schedule | None:
    """Create a schedule, or replace its plan."""
    raise NotImplementedError


async def declare(tx: Transaction, declared: Sequence[Declared], *, now: float) -> Declaration:
    """Have exactly these schedules of code and file."""
    raise NotImplementedError


async def pause(tx: Transaction, name: str, *, reason: str | None, now: float) -> Schedule | None:
    """Pause a schedule, and skip what waits."""
    raise NotImplementedError


async def resume(tx: Transaction, name: str, *, now: float) -> Schedule | None:
    """Let the slots after `now` run."""
    raise NotImplementedError


async def delete(tx: Transaction, name: str) -> bool:
    """Delete a schedule with its slots."""
    raise NotImplementedError


async def fire(tx: Transaction, firing: Firing, *, now: float) -> Fired:
    """Decide a slot, and insert its task if it runs.

    What it cancels: `cancelling.cancel`; what it inserts: `inserting.insert`.
    """
    raise NotImplementedError


async def pass_over(tx: Transaction, passed: Passed, *, now: float) -> bool:
    """Note that slots were missed."""
    raise NotImplementedError


async def rewind(tx: Transaction, *, now: float) -> tuple[str, ...]:
    """Begin again at `now` where an instant lies ahead of it."""
    raise NotImplementedError


async def trim(tx: Transaction, *, before: float, limit: int) -> int:
    """Delete old slots, schedule by schedule."""
    raise NotImplementedError
