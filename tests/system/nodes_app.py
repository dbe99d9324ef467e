"""An app whose handlers run until a file is there."""

import asyncio
from pathlib import Path

from taskqueue import App, Limit

app = App()


async def _until(there: str) -> None:
    while not Path(there).exists():  # noqa: ASYNC110, ASYNC240 - the test's way to reach in here
        await asyncio.sleep(0.01)


@app.task("hold")
async def hold(until: str) -> None:
    await _until(until)


@app.task("limited", limit=Limit(running=1, name="few"))
async def limited(until: str) -> None:
    await _until(until)
