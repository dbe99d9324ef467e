"""The app of the process benchmarks: handlers that do nothing, in processes of their own."""

from taskqueue import App, Context

app = App()


@app.task("no_op", executor="process")
def no_op(ctx: Context) -> None:
    """Do nothing."""


@app.task("async_no_op", executor="process")
async def async_no_op(ctx: Context) -> None:
    """Do nothing, on a loop."""
