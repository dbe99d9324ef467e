"""Enqueues inside a transaction of your own, on your own connection to the service's database.

    async with connection.transaction():              # asyncpg commits at its end, or rolls back
        await connection.execute("INSERT INTO orders …")
        await enqueue_async(connection, confirm.prepare(order_id))

The order and its task are there together, or neither is. No service has to run meanwhile. One that
does starts the task when you have committed.
"""

from taskqueue.rules.keys import refuse_unaccepted
from taskqueue.rules.tasks import Accepted, NewTask, require_tasks
from taskqueue.storage.postgres.drivers import enqueueing
from taskqueue.storage.postgres.drivers.recognition import session_of, session_of_async


def enqueue(
    connection: object, *tasks: NewTask, notify: bool = True, now: float | None = None
) -> tuple[Accepted, ...]:
    """Accept tasks in the connection's transaction; answer in the order given.

    They exist if and when the caller commits. If no transaction is open, one is begun, as the
    connection would for any `INSERT`; on a connection in autocommit mode, this call commits by
    itself. When this raises, none of these tasks is in the transaction, but for `KeyConflict`,
    `KeyTaken` and `GroupClosed`, and the transaction can go on.

    Args:
        connection: of psycopg 3, or a `Connection` or `Session` of SQLAlchemy on psycopg 3.
        tasks: as `Action.prepare` and `App.prepare` make them.
        notify: wake the service at the commit. PostgreSQL commits one after the other what
            notifies. False: the service finds the tasks when it polls next.
        now: when they are accepted, in seconds since 1970 (UTC); None: at this moment, by the clock
            of the server, as everything in its database.

    Raises:
        KeyConflict, KeyTaken, GroupClosed: a unique key belongs to a different request; one is
            held by a task that stays as it is; a group takes no more members. All other tasks are
            in the transaction.
        SchemaMismatch: the database was never migrated, or by another release.
        TypeError: `connection` is of another driver, or has to be awaited.
        ValueError: it is in pipeline mode, where a statement does not say what it has done.
        StorageUnavailable: other transactions hold the limits of these tasks.
        Exception: the driver's own, as for any statement: also for a conflict of transactions.
    """
    require_tasks(*tasks)
    session = session_of(connection)
    answers = enqueueing.without_waiting(enqueueing.enqueue(session, tasks, notify=notify, now=now))
    refuse_unaccepted(tasks, answers)
    return answers


async def enqueue_async(
    connection: object, *tasks: NewTask, notify: bool = True, now: float | None = None
) -> tuple[Accepted, ...]:
    """Do the same on a connection that is awaited.

    A caller that is cancelled meanwhile does not know whether the tasks are in its transaction, and
    should roll it back.

    Args:
        connection: of asyncpg (or lent by its pool), an `AsyncConnection` of psycopg 3, or an
            `AsyncConnection` or `AsyncSession` of SQLAlchemy on one of these.
        tasks: as for `enqueue`.
        notify: likewise.
        now: likewise.

    Raises:
        Exception: as `enqueue` does.
    """
    require_tasks(*tasks)
    session = await session_of_async(connection)
    answers = await enqueueing.enqueue(session, tasks, notify=notify, now=now)
    refuse_unaccepted(tasks, answers)
    return answers
