"""Handlers that log, on every executor, and end in every way."""

import asyncio
import logging
import os
import signal
import time
from typing import Any

from taskqueue import App, Context, Retries

app = App()
ONCE: Any = {"max_attempts": 1, "retries": Retries(initial_s=1, jitter=0)}


def _say(ctx: Context, how: str) -> None:
    ctx.log.info("began", how=how)
    ctx.log.warning("goes on")


def _finish(ctx: Context, how: str) -> None:
    _say(ctx, how)
    if how == "fail":
        raise ValueError("no")
    if how == "flood":
        for number in range(5_000):
            ctx.log.info("again", number=number)
    if how == "library":
        logging.getLogger("some.library").warning("from a library")
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "crash":
        raise SystemExit(1)


@app.task("loop", timeout_s=0.5, **ONCE)
async def on_loop(ctx: Context, how: str) -> None:
    _finish(ctx, how)
    if how == "hang":
        await asyncio.sleep(60)


@app.task("thread", **ONCE)
def in_thread(ctx: Context, how: str) -> None:
    _finish(ctx, how)


@app.task("process", executor="process", timeout_s=5, **ONCE)
def in_process(ctx: Context, how: str) -> None:
    _finish(ctx, how)
    if how == "hang":
        time.sleep(60)


@app.task("async_process", executor="process", timeout_s=5, **ONCE)
async def on_loop_in_process(ctx: Context, how: str) -> None:
    _finish(ctx, how)
    if how == "hang":
        await asyncio.sleep(60)
