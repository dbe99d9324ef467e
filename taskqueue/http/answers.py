"""Answers: a value as JSON, under the headers that every answer has."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import hdrs, web

from taskqueue.http.server.large import PIECE_BYTES, LargeResponse

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_HEADERS = {hdrs.CACHE_CONTROL: "no-store", "X-Content-Type-Options": "nosniff"}


def answer(
    value: object,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Return the response that holds `value`."""
    return response(msgspec.json.encode(value), status, content_type=JSON, headers=headers)


def response(
    body: bytes,
    status: HTTPStatus,
    *,
    content_type: str,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Return the response with this text and a final newline."""
    all_headers = {**_HEADERS, hdrs.CONTENT_TYPE: content_type, **(headers or {})}
    text = body + b"\n"
    if len(text) <= PIECE_BYTES:
        return web.Response(body=text, status=status, headers=all_headers)
    return LargeResponse(text, status=status, headers=all_headers)


def empty() -> web.Response:
    """Return the response of a call that has nothing to show."""
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=_HEADERS)
