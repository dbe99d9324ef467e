"""The lifespan as aiohttp wants it.

web_app.cleanup_ctx.append(queue_context(app))
"""

from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

from aiohttp import web

from taskqueue.api.app import App
from taskqueue.client.aio import AsyncClient
from taskqueue.embedding.lifespan import queue_lifespan
from taskqueue.settings import Settings

QUEUE_KEY = web.AppKey("taskqueue", AsyncClient)
"""Where a handler of aiohttp finds the client: `request.app[QUEUE_KEY]`."""

Context: TypeAlias = Callable[[web.Application], AsyncIterator[None]]


def queue_context(
    app: App | str,
    settings: Settings | None = None,
    *,
    in_process: bool = False,
    **values: object,
) -> Context:
    """Return a context for `cleanup_ctx` of aiohttp that does what `queue_lifespan` does.

    Raises:
        ConfigError: a setting does not fit, or the app cannot be imported.
    """
    lifespan = queue_lifespan(app, settings, in_process=in_process, **values)

    async def context(web_app: web.Application) -> AsyncIterator[None]:
        async with lifespan(web_app) as state:
            web_app[QUEUE_KEY] = state["queue"]
            yield

    return context
