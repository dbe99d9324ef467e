"""An answer: a value as JSON."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web


def answer(
    value: object,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return the response that holds `value`."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        headers=headers,
        content_type="application/json",
    )
