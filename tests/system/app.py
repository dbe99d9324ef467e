"""An app whose handlers do what a test of the whole service needs."""

import asyncio
import contextlib
import time
from pathlib import Path

from taskqueue import App, Context

app = App()


@app.task("quick")
async def quick(ctx: Context) -> str:
    return "done"


@app.task("take")
async def take(ctx: Context, text: str) -> int:
    return len(text)


@app.task("hold")
async def hold(ctx: Context, until: str) -> str:
    """Run until a file is there."""
    while not Path(until).exists():  # noqa: ASYNC110, ASYNC240 - the test's way to reach in here
        await asyncio.sleep(0.01)
    return "held"


@app.task("stubborn")
async def stubborn(ctx: Context, until: str) -> str:
    """Run until a file is there, whoever cancels it."""
    while not Path(until).exists():  # noqa: ASYNC240 - the test's way to reach in here
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)
    return "held on"


@app.task("block")
def block(ctx: Context, seconds: float) -> None:
    """Sit in a thread that nobody can cancel."""
    time.sleep(seconds)


@app.task("sql")
async def sql(ctx: Context, statement: str, fetch: bool) -> None:
    """Run a statement as a handler may: with the ack, or for its rows."""
    if fetch:
        await ctx.transaction().fetch(statement)
    else:
        ctx.transaction().execute(statement)


def _say(times: int) -> None:
    for _ in range(times):
        print("said by a handler")  # noqa: T201 - it is what is seen


@app.task("say")
def say(ctx: Context, times: int) -> None:
    _say(times)


@app.task("say_in_process", executor="process")
def say_in_process(ctx: Context, times: int) -> None:
    _say(times)
