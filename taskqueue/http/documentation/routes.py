"""The calls that describe the service."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Raw

from taskqueue.http.answers import Answer
from taskqueue.http.route import Call


class DocumentationRoutes:
    """Serve the OpenAPI document."""

    def __init__(self, document: Callable[[], Any]) -> None:
        """Make the calls; `document` is made once, when it is first asked for."""
        self._document = document

    async def show_openapi(self, _: Call[Any, Any]) -> Answer:
        """Show this document."""
        return Answer(self._encoded)

    @cached_property
    def _encoded(self) -> Raw:
        return Raw(msgspec.json.encode(self._document()))
