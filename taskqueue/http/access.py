"""The access log: one event a request, `http_request`.

Requests that went well are logged at `debug`, all others at `info`: a line costs about as much as a
tenth of the request itself, and the task has events of its own.
"""

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from taskqueue.events import events

CLIENT = web.RequestKey("client", str)
"""Where a request keeps the address of its client, which a proxy may stand before."""


class AccessLog(AbstractAccessLogger):
    """Publishes the event. aiohttp makes one for every connection.

    The query is left out: what people put there does not belong into a log.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Publish the event; `time` is in seconds."""
        failed = response.status >= 400
        if not failed and not events.are_wanted("debug", "http_request"):
            return
        emit = events.info if failed else events.debug
        emit(
            "http_request",
            method=request.method,
            path=request.path,
            status=response.status,
            duration_s=round(time, 6),
            remote=request.get(CLIENT, request.remote),
        )
