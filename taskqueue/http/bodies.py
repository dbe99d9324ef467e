"""The bodies of requests: read whole, then decoded."""

from http import HTTPStatus
from typing import TypeVar

import msgspec
from aiohttp import web

from taskqueue.encoding import MAX_BYTES
from taskqueue.http.problems import Problem

T = TypeVar("T")

# A payload of the largest size, with room for the options beside it.
MAX_BODY_BYTES = MAX_BYTES + 65_536


async def body_of(request: web.Request) -> bytes:
    """Return the whole body.

    Raises:
        Problem: 413, it is too large; 400, it did not arrive as announced.
    """
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        detail = f"A request has {MAX_BODY_BYTES} bytes at most."
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        raise Problem(status, "request too large", detail) from error
    except (web.RequestPayloadError, ConnectionError) as error:
        detail = "The body did not arrive as announced."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid JSON", detail) from error


def parsed(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Return a whole body, decoded, which has been looked at by nobody yet.

    Raises:
        Problem: 400, it is no JSON.
        msgspec.ValidationError: it is not what the decoder wants.
    """
    try:
        body.decode()  # what becomes `Raw` is skipped without a look at its encoding
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid JSON", str(error)) from None
    except RecursionError:
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid JSON", "nested too deeply") from None
