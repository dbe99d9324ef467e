"""Answers as responses: a value as JSON, under the headers that every answer has."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from aiohttp import hdrs, web

from taskqueue.http.server.large import PIECE_BYTES, LargeResponse
from taskqueue.structs import Struct

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
EVENT_STREAM = "text/event-stream"
METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Text(str):
    """An answer that is plain text, not JSON."""

    __slots__ = ()


class EventStream:
    """An answer that is a stream of server-sent events, for the route table."""


class MetricsText:
    """An answer in the text format of Prometheus, for the route table."""


class Content(NamedTuple):
    """An answer that is a file."""

    body: bytes
    type: str
    encoding: str | None = None


class Answer(NamedTuple):
    """What a handler answers: JSON, `Text` or `Content`; None for an answer without a body.

    A response is sent as it is.
    """

    value: object
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] | None = None


HEADERS = {
    hdrs.CACHE_CONTROL: "no-store",
    "X-Content-Type-Options": "nosniff",
    hdrs.SERVER: "taskqueue",  # else aiohttp tells its version and that of Python
}


def encoded(answer: Answer) -> web.StreamResponse:
    """Return a handler's answer as a response."""
    value, status, headers = answer
    if value is None:
        return empty(status, headers)
    if isinstance(value, Text):
        return response(value.encode(), status, content_type=TEXT, headers=headers)
    if isinstance(value, Content):
        return _file(value, status, headers or {})
    if not isinstance(value, Struct) and isinstance(value, web.StreamResponse):
        return value
    return json_response(value, status, headers=headers)


def _file(content: Content, status: HTTPStatus, headers: Mapping[str, str]) -> web.StreamResponse:
    all_headers = {**HEADERS, **headers, hdrs.CONTENT_TYPE: content.type}
    if content.encoding is not None:
        all_headers[hdrs.CONTENT_ENCODING] = content.encoding
    return _whole(content.body, status, all_headers)


def json_response(
    value: object,
    status: HTTPStatus,
    *,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Return the response that holds `value`."""
    return response(msgspec.json.encode(value), status, content_type=content_type, headers=headers)


def response(
    body: bytes,
    status: HTTPStatus,
    *,
    content_type: str,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Return the response with this text and a final newline."""
    all_headers = {**HEADERS, hdrs.CONTENT_TYPE: content_type, **(headers or {})}
    return _whole(body + b"\n", status, all_headers)


def _whole(body: bytes, status: HTTPStatus, headers: Mapping[str, str]) -> web.StreamResponse:
    if len(body) <= PIECE_BYTES:
        return web.Response(body=body, status=status, headers=headers)
    return LargeResponse(body, status=status, headers=headers)


def empty(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response without a body."""
    return web.Response(status=status, headers={**HEADERS, **(headers or {})})
