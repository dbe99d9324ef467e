"""An import of many rows as one group: how far it is, and a report when all of it has ended.

    python -m examples.import_with_group

Each row is a task, and a row that is a list adds the rows in it to the same group. The report is a
task as well: it is accepted in the commit that ends the last row, whatever crashes in between.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from taskqueue import App, AsyncClient, Context, Service

app = App()

Row: TypeAlias = str | list[str]

ROWS: Sequence[Row] = ("apples", "pears", ["plums", "cherries"], "?")


@app.task(max_attempts=1)
async def import_row(ctx: Context, row: Row) -> None:
    if isinstance(row, list):
        for each in row:
            ctx.enqueue(import_row.with_options(group=ctx.task.group), each)
    elif not row.isalpha():
        raise ValueError(f"{row!r} is no fruit")


@app.task
async def report(ctx: Context, group: str) -> str:
    return f"all rows of {group} have ended"


async def main() -> None:
    """Run a service, import the rows through it, and print how far it is."""
    with TemporaryDirectory() as folder:
        async with (
            Service(app, database=Path(folder) / "tasks.db", port=0) as service,
            AsyncClient(service.url) as queue,
        ):
            await import_rows(queue, "import-17", ROWS)


async def import_rows(queue: AsyncClient, name: str, rows: Sequence[Row]) -> None:
    """Enqueue a task for each row, and one that follows when all of them have ended."""
    await queue.enqueue_many(import_row.with_options(group=name).prepare(row) for row in rows[:-1])
    group = queue.group(name)
    # The last row and the close are one commit: an import that is cut off before it stays open.
    await group.close(
        then=report.prepare(name),
        tasks=[import_row.with_options(group=name).prepare(row) for row in rows[-1:]],
    )

    ended = await group.wait(timeout_s=30)

    print(f"{ended.progress:.0%} of {ended.total} rows")
    print(", ".join(f"{status} {number}" for status, number in ended.tasks.items() if number))
    async for task in queue.tasks(group=name, status="dead"):
        print(f"row {task.data['row']!r}: {task.reason}")
    if ended.then is not None and ended.then.task_id is not None:
        print(await queue.task(ended.then.task_id).result(timeout_s=30))


if __name__ == "__main__":
    asyncio.run(main())
