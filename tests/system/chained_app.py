"""An app of which one task runs at a time; its handlers write down when they begin and end."""

import asyncio
import os

from taskqueue import App, Context, Limit

app = App()


@app.task("hot", limit=Limit(running=1, name="hot"))
async def hot(ctx: Context, notes: str) -> None:
    """Write down the begin and the end of the attempt, each in one write."""
    _note(notes, "begin", ctx.task.id)
    await asyncio.sleep(0)
    _note(notes, "end", ctx.task.id)


def _note(path: str, what: str, task_id: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{os.getpid()} {what} {task_id}\n".encode())
    finally:
        os.close(descriptor)
