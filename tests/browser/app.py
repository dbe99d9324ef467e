"""An app for the page to show: tasks that end well, badly, and when they are let go."""

import asyncio
import time
from pathlib import Path

from taskqueue import App, Context, Limit, Retries

app = App()


@app.schedule("0 3 * * *", timezone="Europe/Berlin", name="nightly", data={"url": "{slot}.png"})
@app.task("resize", schedulable=True)
async def resize(ctx: Context, url: str = "a.png", width: int = 400) -> dict[str, str]:
    return {"thumbnail": f"{url}?width={width}"}


@app.task("mirror")
async def mirror(ctx: Context, order: int, x: float) -> dict[str, float]:
    ctx.progress(x)
    return {"order": order, "x": x}


@app.task("order")
async def order(ctx: Context) -> str:
    return ctx.enqueue(resize, url="ordered.png")


@app.task("charge", max_attempts=1)
async def charge(ctx: Context, order: int, allowed: str = "") -> str:
    """Fail until a file is there."""
    ctx.log.info("charges", order=order, by="<img src=x>")
    if not Path(allowed).is_file():  # noqa: ASYNC240 - the test's way to reach in here
        raise ConnectionError(f"payment gateway answered 502 for order {order}")
    return "charged"


@app.task("mail", queue="mail", max_attempts=1)
async def mail(ctx: Context, to: str) -> str:
    if "@" not in to:
        raise ValueError(f"{to} is not an address")
    return "sent"


@app.task("report", queue="reports", fair_by="tenant")
async def report(tenant: str) -> str:
    return "written"


@app.task("letter", limit=Limit(running=1, key="smtp:{domain}"))
async def letter(domain: str, until: str = "") -> str:
    """Run until a file is there."""
    while until and not Path(until).exists():  # noqa: ASYNC110, ASYNC240 - as in `hold`
        await asyncio.sleep(0.01)
    return "sent"


@app.task("chatter", max_attempts=30, retries=Retries(initial_s=0.01, factor=1, jitter=0))
async def chatter(ctx: Context) -> str:
    """Fail often, and say much each time."""
    for number in range(20):
        ctx.log.info("said", number=number, text="x" * 450)
    if ctx.attempt < 30:
        raise ValueError("again")
    return "said"


@app.task("block")
async def block(ctx: Context, until: str) -> str:
    """Block the loop until a file is there, as no `async def` should."""
    while not Path(until).exists():  # noqa: ASYNC240 - the test's way to reach in here
        time.sleep(0.01)  # noqa: ASYNC251 - that is what is shown
    return "blocked"


@app.task("hold")
async def hold(ctx: Context, until: str) -> str:
    """Run until a file is there."""
    ctx.log.info("holds")
    while not Path(until).exists():  # noqa: ASYNC110, ASYNC240 - the test's way to reach in here
        await asyncio.sleep(0.01)
    return "held"
