"""The app of the client's tests. The service runs it, and clients import it."""

import asyncio
import logging

from taskqueue import App, Context, Limit, Reject, Retries

app = App()


@app.task("add", schedulable=True)
async def add(ctx: Context, left: int, right: int) -> int:
    return left + right


@app.task("nap")
async def nap(ctx: Context, seconds: float) -> None:
    ctx.progress({"began": True})
    await asyncio.sleep(seconds)


@app.task("refuse", max_attempts=1)
async def refuse(ctx: Context) -> None:
    raise Reject("not today")


@app.task("recite", max_attempts=1)
def recite(ctx: Context, words: list[str]) -> None:
    logging.getLogger("a.library").warning("a warning of a library")
    for word in words:
        ctx.log.info(word)
    raise Reject("all said")


@app.task("charge", retries=Retries(initial_s=60, factor=2, jitter=0.5))
async def charge(ctx: Context) -> None:
    raise ConnectionError("gone")


@app.task("follow")
def follow(ctx: Context, left: int) -> str:
    return add.enqueue_sync(left, 1)


@app.task("post", limit=Limit(running=2, key="smtp:{domain}"))
async def post(ctx: Context, domain: str) -> None: ...
