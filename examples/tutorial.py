"""The tutorial's task queue, as a user would write it.

python -m taskqueue.supervisor --app examples.tutorial:app

curl -X POST localhost:8080/tasks -H 'content-type: application/json' \\
     -d '{"action": "uppercase", "data": {"text": "hello world"}}'
curl localhost:8080/tasks
"""

from taskqueue import App, Context

app = App()


@app.task("uppercase")
async def uppercase(ctx: Context, text: str) -> dict[str, str]:
    """Shout."""
    return {"output": text.upper()}


@app.task("sum")
def add(ctx: Context, numbers: list[float]) -> dict[str, float]:
    """Add up. It is a plain function, so it runs in a thread and blocks nobody."""
    return {"output": sum(numbers)}


@app.task("decline")
async def decline(ctx: Context) -> bool | None:
    """Return False: this attempt failed. Queued again with a growing pause, at last dead."""
    ctx.log.info("declined", attempt=ctx.attempt)
    return False


@app.task("crash")
async def crash(ctx: Context, times: int = 1) -> dict[str, str]:
    """Take the consumer down with it, `times` times. It is restarted, and the task with it."""
    if ctx.attempt <= times:
        raise SystemExit("the consumer goes down")
    return {"output": "survived"}
