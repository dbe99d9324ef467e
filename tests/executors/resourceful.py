"""An app with resources, whose handlers run in processes; what happens to them is in a file."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from taskqueue import App, Context

app = App()

FILE = "TEST_RESOURCES_FILE"
"""The variable that names the file."""


def is_marked(kind: str) -> bool:
    return Path(os.environ[FILE] + kind).exists()


def note(what: str) -> None:
    with Path(os.environ[FILE]).open("a") as file:
        file.write(f"{what} {os.getpid()}\n")


@app.resources
@asynccontextmanager
async def resources() -> AsyncIterator[int]:
    if is_marked(".down"):
        raise ConnectionRefusedError("no database")
    note("open")
    async with asyncio.TaskGroup() as group:
        if is_marked(".frail"):
            group.create_task(end())
        yield os.getpid()
    await asyncio.sleep(0)
    note("close")
    if is_marked(".stuck"):
        await asyncio.get_running_loop().create_future()


async def end() -> None:
    await asyncio.sleep(0)
    raise ConnectionResetError


@app.task(executor="process")
def plain(ctx: Context[int]) -> int:
    return ctx.resources


@app.task(executor="process")
async def on_loop(ctx: Context[int]) -> int:
    await asyncio.sleep(0.01)
    return ctx.resources
