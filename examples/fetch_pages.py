"""One HTTP session for all handlers of a consumer.

python -m taskqueue.supervisor --app examples.fetch_pages:app

curl -X POST localhost:8080/tasks -H 'content-type: application/json' \\
     -d '{"action": "page_size", "data": {"url": "https://example.org/"}}'
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from taskqueue import App, Context

app = App()


@dataclass
class Resources:
    """What all handlers share."""

    http: aiohttp.ClientSession


@app.resources
@asynccontextmanager
async def resources() -> AsyncIterator[Resources]:
    """Keep connections open from one task to the next."""
    async with aiohttp.ClientSession() as http:
        yield Resources(http)


@app.task("page_size")
async def page_size(ctx: Context[Resources], url: str) -> dict[str, int]:
    """Fetch a page. Anything but a success is an exception, so it is tried again."""
    async with ctx.resources.http.get(url, raise_for_status=True) as response:
        return {"bytes": len(await response.read())}
