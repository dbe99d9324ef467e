"""The calls that describe the service."""

from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import hdrs
from msgspec import Raw

from taskqueue.http.answers import Answer
from taskqueue.http.documentation.page import HEADERS, content_of, page
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call


class DocumentationRoutes:
    """Serve the OpenAPI document, and a page that shows it."""

    def __init__(self, document: Callable[[], Any]) -> None:
        """Make the calls; `document` is made once, when it is first asked for."""
        self._document = document

    async def show_openapi(self, _: Call[Any, Any]) -> Answer:
        """Show this document."""
        return Answer(self._encoded)

    async def show_page(self, _: Call[Any, Any]) -> Answer:
        """Show the page that describes all calls and tries them out."""
        return Answer(page(), headers=HEADERS)

    async def show_file(self, call: Call[Any, Any]) -> Answer:
        """Send a file of that page."""
        accepts_gzip = "gzip" in call.headers.get(hdrs.ACCEPT_ENCODING, "")
        content = content_of(call.path["file"], compressed=accepts_gzip)
        if content is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not found")
        return Answer(content, headers=HEADERS)

    @cached_property
    def _encoded(self) -> Raw:
        return Raw(msgspec.json.encode(self._document()))
