"""The apps of the services that are measured: `--app benchmarks.apps:app`."""

import time

from benchmarks.arrivals import tell_now
from taskqueue import App, Context

app = App()
burning = App()  # an app of its own: with it, each consumer keeps processes


@app.task("no_op")
async def no_op(ctx: Context, text: str = "", number: int = 0) -> None:
    """Do nothing."""


@app.task("tell")
async def tell(ctx: Context, port: int) -> None:
    """Tell whoever listens on the port that this runs."""
    tell_now(port)


@app.task("compute")
def compute(ctx: Context, seconds: float, port: int) -> None:
    """Compute in a thread of the service, after having told that it begins."""
    tell_now(port)
    compute_for(seconds)


@burning.task("no_op")
async def idle(ctx: Context, text: str = "", number: int = 0) -> None:
    """Do nothing."""


@burning.task("burn", executor="process")
def burn(ctx: Context, seconds: float, port: int) -> None:
    """Keep a processor busy, after having told that it begins."""
    tell_now(port)
    compute_for(seconds)


def compute_for(seconds: float) -> None:
    """Keep the interpreter busy."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        sum(range(1_000))
