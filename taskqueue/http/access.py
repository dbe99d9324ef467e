"""The access log: one event a request, `http_request`.

Requests that went well are logged at `debug`, all others at `info`: a line costs about as much as a
tenth of the request itself, and that a task was accepted is told by the task's own events.
"""

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from taskqueue.logger import log


class AccessLog(AbstractAccessLogger):
    """Writes the event. aiohttp makes one for every connection.

    The query is left out: what people put there does not belong into a log.
    """

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        super().__init__(logger, log_format)
        bound = log.bind()
        self._enabled: bool = bound.is_enabled_for(logging.INFO)
        self._successes: bool = bound.is_enabled_for(logging.DEBUG)

    @property
    def enabled(self) -> bool:
        """Whether anything would be written; aiohttp does not even take the time otherwise."""
        return self._enabled

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the event; `time` is in seconds."""
        failed = response.status >= 400
        if not failed and not self._successes:
            return
        emit = log.info if failed else log.debug
        emit(
            "http_request",
            method=request.method,
            path=request.path,
            status=response.status,
            duration_s=round(time, 6),
            remote=request.remote,
        )
