"""An order and its confirmation on PostgreSQL: enqueued with the order, marked with the result.

URL=postgresql://user@host/shop
python -m taskqueue.supervisor --database $URL --app examples.orders_postgres:app
python -m examples.orders_postgres $URL book pen              # while it runs

Prints the ids of the tasks. A customer who orders nothing gets an error, no order and no mail.
"""

import asyncio
import sys
from collections.abc import Sequence

import asyncpg

from taskqueue import App, Context
from taskqueue.postgres import enqueue_async

app = App()

ORDERS = """
CREATE TABLE IF NOT EXISTS orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item text NOT NULL,
    confirmed_at timestamptz
)
"""


@app.task("confirm")
async def confirm(ctx: Context, order: int) -> dict[str, str]:
    """Mark an order as confirmed; the mark and the result are committed together."""
    async with ctx.connection() as db:
        item = await db.fetchval(
            "UPDATE orders SET confirmed_at = now() WHERE id = $1 RETURNING item", order
        )
    return {"mail": f"order {order}: {item}"}


async def place(db: asyncpg.Connection, item: str) -> str:
    """Write an order and enqueue its confirmation; both are there together, or neither is."""
    async with db.transaction():  # commits at its end, or rolls back if anything raises
        order = await db.fetchval("INSERT INTO orders (item) VALUES ($1) RETURNING id", item)
        [accepted] = await enqueue_async(db, confirm.prepare(order))
        if not item:
            raise ValueError("an order of nothing")
    return accepted.id


async def main(url: str, items: Sequence[str]) -> None:
    """Place orders in the database at `url`."""
    db = await asyncpg.connect(url)
    try:
        await db.execute(ORDERS)
        for item in items:
            print(await place(db, item))
    finally:
        await db.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
