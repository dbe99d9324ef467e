"""The app of these tests, and of the page on the command line."""

import asyncio

from taskqueue import App, Context, Limit, Reject, Retries

app = App()


@app.schedule("0 3 * * *", timezone="Europe/Berlin", name="nightly", data={"url": "{slot}.png"})
@app.task("resize", schedulable=True)
async def resize(url: str, width: int = 800) -> dict[str, str]:
    return {"thumbnail": f"{url}?width={width}"}


@app.task("nap")
async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.task("mail", limit=Limit(running=1, key="smtp:{domain}"))
async def mail(domain: str, seconds: float = 0.0) -> None:
    await asyncio.sleep(seconds)


@app.task("report", queue="reports", fair_by="tenant")
async def report(tenant: str) -> None: ...


@app.task("order")
async def order(ctx: Context) -> str:
    return ctx.enqueue(resize, url="ordered.png")


@app.task("charge", retries=Retries(initial_s=60, jitter=0))
async def charge() -> None:
    raise ConnectionError("gone")


@app.task("refuse", max_attempts=1)
async def refuse(ctx: Context, why: str) -> None:
    ctx.log.info("refuses", why=why)
    raise Reject(why)
