"""The app of the pictures in the README."""

import asyncio

from taskqueue import App, Context

app = App()


@app.task("resize", max_attempts=5)
async def resize(ctx: Context, url: str) -> dict[str, str]:
    await asyncio.sleep(0.4)
    return {"thumbnail": f"{url}?width=400"}


@app.task("mail", queue="mail")
async def mail(ctx: Context, to: str) -> str:
    await asyncio.sleep(0.05)
    return "sent"


@app.task("charge", max_attempts=1)
async def charge(ctx: Context, order: int) -> str:
    await asyncio.sleep(0.2)
    if order % 10 == 0:
        raise ConnectionError(f"payment gateway answered 502 for order {order}")
    return "charged"


@app.task("report")
async def report(ctx: Context, days: int) -> str:
    for day in range(days * 100):
        ctx.progress({"done": day, "of": days * 100})
        await asyncio.sleep(0.2)
    return "written"
