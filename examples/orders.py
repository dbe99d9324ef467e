"""An order and the task that confirms it, written in one transaction.

python -m taskqueue.supervisor --app examples.orders:app      # once, so that the file is there
python -m examples.orders data/tasks.db book pen              # while it runs, or not

Prints the ids of the tasks. A customer who orders nothing gets an error, no order and no mail.
"""

import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing

from taskqueue import App, Context
from taskqueue.sqlite import enqueue

app = App()


@app.task("confirm")
async def confirm(ctx: Context, order: int, item: str) -> dict[str, str]:
    """Send a mail about an order that is certain to be there."""
    return {"mail": f"order {order}: {item}"}


def place(db: sqlite3.Connection, item: str) -> str:
    """Write an order and enqueue its confirmation; both are there together, or neither is."""
    with db:  # commits at its end, or rolls back if anything raises
        order = db.execute("INSERT INTO orders (item) VALUES (?)", (item,)).lastrowid
        assert order is not None
        [accepted] = enqueue(db, confirm.prepare(order, item))
        if not item:
            raise ValueError("an order of nothing")
    return accepted.id


def main(path: str, items: Sequence[str]) -> None:
    """Place orders in the file at `path`."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT)")
        for item in items:
            print(place(db, item))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
