"""The steps that tests of handlers' SQL are made of."""

from taskqueue.rules.tasks import (
    Complete,
    Delivery,
    NotApplied,
    Row,
    Rows,
    Scalar,
    Settled,
    Statement,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.sql_dialect import NO_LIMIT_S
from taskqueue.testing.contract.steps import (
    add,
    claim,
    settle,
)

MOST_TRIES = 10


async def apply(storage: Storage, *statements: str) -> None:
    """Apply statements with the ack of a task of their own.

    On a busy machine they may take longer than is allowed. Then nothing is applied, and they are
    tried again.
    """
    await add(storage, f"applies {statements}", queue="setup")
    [delivery] = await claim(storage, queue="setup")
    for _ in range(MOST_TRIES):
        settled = await complete(storage, delivery, *map(_plain, statements))
        if not (isinstance(settled, NotApplied) and settled.error.startswith("took longer than")):
            break
    assert settled is Settled.WRITTEN


async def complete(
    storage: Storage, delivery: Delivery, *statements: Statement
) -> Settled | NotApplied:
    """Settle a delivery with a handler's statements."""
    return await settle(storage, delivery, Complete(result="1", statements=statements))


async def query(storage: Storage, sql: str, *parameters: Scalar) -> tuple[Row, ...]:
    """Return what a query answers."""
    return (await look(storage, sql, *parameters)).rows


async def look(storage: Storage, sql: str, *parameters: Scalar) -> Rows:
    """Return what a query answers, and its digest."""
    statement = Statement(sql=sql, parameters=parameters)
    return await storage.dry_run((), statement, limit_s=NO_LIMIT_S)


def _plain(sql: str) -> Statement:
    return Statement(sql=sql)
