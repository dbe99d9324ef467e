"""An answer: a value as JSON."""

from http import HTTPStatus

import msgspec
from aiohttp import web


def answer(value: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return the response that holds `value`."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )
