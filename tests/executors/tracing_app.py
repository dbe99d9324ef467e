"""Handlers that tell their trace and pass it on, on every executor."""

from taskqueue import App, Context
from taskqueue.traces import current_traceparent

app = App()
KINDS = ("loop", "thread", "process", "async_process")


def _told(ctx: Context) -> list[str | None]:
    ctx.enqueue(follow)
    return [ctx.traceparent, current_traceparent()]


@app.task
async def follow(ctx: Context) -> str | None:
    return ctx.traceparent


@app.task("loop")
async def on_loop(ctx: Context) -> list[str | None]:
    await follow.enqueue()
    return _told(ctx)


@app.task("thread")
def in_thread(ctx: Context) -> list[str | None]:
    return _told(ctx)


@app.task("process", executor="process")
def in_process(ctx: Context) -> list[str | None]:
    return _told(ctx)


@app.task("async_process", executor="process")
async def on_loop_in_process(ctx: Context) -> list[str | None]:
    return _told(ctx)
