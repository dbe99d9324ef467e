"""An app whose handlers stand at a line that a test knows."""

import asyncio
import ctypes
import time

from taskqueue import App, Context

app = App()


async def asleep() -> None:
    await asyncio.sleep(600)  # here


@app.task("waits")
async def waits(ctx: Context) -> None:
    ctx.progress({"done": 1})
    ctx.log.info("waits")
    await asleep()


@app.task("blocks")
async def blocks(ctx: Context) -> None:
    time.sleep(600)  # noqa: ASYNC251 - here


@app.task("computes")
def computes(ctx: Context) -> None:
    ctx.progress("x" * 10_000)
    ctx.log.info("computes")
    time.sleep(600)  # here


@app.task("apart", executor="process")
def apart(ctx: Context) -> None:
    ctx.log.info("apart")
    time.sleep(600)  # here


@app.task("deaf", executor="process")
def deaf(ctx: Context) -> None:
    ctypes.PyDLL(None).sleep(600)  # keeps the GIL
