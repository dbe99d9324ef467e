"""Inserts tasks in a user's transaction: all of one call, or none of it."""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.postgres import serving
from taskqueue.storage.postgres.clock import NOW
from taskqueue.storage.postgres.commit import MOST_TRIES
from taskqueue.storage.postgres.drivers.protocol import UserSession
from taskqueue.storage.postgres.errors import GatesBusy, has_moved, storage_error
from taskqueue.storage.postgres.notices import CHANNEL
from taskqueue.storage.postgres.operations import inserting
from taskqueue.storage.postgres.operations.groups import write_counts
from taskqueue.storage.postgres.schema import runner
from taskqueue.storage.postgres.transaction import Transaction

T = TypeVar("T")

WHERE = "the database of this connection"
_SENDER = "enqueue"  # all notices of a transaction are alike, so the server sends one

_JOINED = (
    "SAVEPOINT taskqueue",
    "RELEASE SAVEPOINT taskqueue",
    "ROLLBACK TO SAVEPOINT taskqueue",
)
_ALONE = ("BEGIN", "COMMIT", "ROLLBACK")


async def enqueue(
    session: UserSession, tasks: Sequence[NewTask], *, notify: bool, now: float | None
) -> tuple[Accepted, ...]:
    """Insert tasks; answer in the order given. `now` is None: the server says what time it is."""
    first: frozenset[int] = frozenset()  # buckets of gates
    for _ in range(MOST_TRIES):
        try:
            return await _try(session, tasks, first, notify=notify, now=now)
        except GatesBusy as busy:
            first |= busy.buckets
            last: Exception = busy
        except Exception as error:
            if not has_moved(error):
                raise
            last = error
    raise last if has_moved(last) else storage_error(last, WHERE) or last


async def _try(
    session: UserSession,
    tasks: Sequence[NewTask],
    first: frozenset[int],
    *,
    notify: bool,
    now: float | None,
) -> tuple[Accepted, ...]:
    begin, keep, undo = _JOINED if session.joins else _ALONE
    await session.execute(begin)
    try:
        await runner.require_version(session, WHERE)
        await serving.share(session, WHERE, for_session=False)
        if now is None:
            now = await session.fetchval(NOW)
        tx = Transaction(session, is_users=True)
        await tx.gates.lock_first(first)
        answers = await inserting.insert(tx, tasks, now=now)
        await write_counts(tx)
        if notify and tx.is_news:
            await session.fetchval("SELECT pg_notify($1, $2)", CHANNEL, _SENDER)
        await session.execute(keep)
    except BaseException as error:
        await _undo(session, undo, error)
        raise
    return answers


async def _undo(session: UserSession, undo: str, error: BaseException) -> None:
    try:
        await session.execute(undo)
        if undo in _JOINED:
            await session.execute("RELEASE SAVEPOINT taskqueue")
    except Exception as lost:  # noqa: BLE001  the connection is gone, and the transaction with it
        error.add_note(f"taskqueue could not undo its part: {lost}")


def without_waiting(call: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that never waits, because its driver blocks."""
    try:
        call.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    call.close()
    raise RuntimeError("a driver that blocks has waited for a loop")
