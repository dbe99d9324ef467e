"""An app whose attempts complete or fail."""

from taskqueue import App, Context, Limit, Reject

app = App()


@app.task("quick", schedulable=True)
async def quick(ctx: Context) -> str:
    return "done"


@app.task("refuse", max_attempts=1)
async def refuse(ctx: Context) -> None:
    raise Reject("not today")


@app.task("limited", limit=Limit(running=1, starts=9))
async def limited(ctx: Context) -> None: ...
