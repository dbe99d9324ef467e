"""The bodies of requests: read whole, then decoded."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar

import msgspec
from aiohttp import web

from taskqueue.encoding import MAX_BYTES
from taskqueue.errors import Fault
from taskqueue.http.problems import Problem

T = TypeVar("T")

# A payload of the largest size, with room for the options beside it.
MAX_BODY_BYTES = MAX_BYTES + 65_536

Fields: TypeAlias = Mapping[str, tuple[Any, str]]
"""By name: the type of a value, and what is allowed."""

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


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


def read_fields(body: bytes, fields: Fields) -> dict[str, Any]:
    """Return the fields of an object, those left out left out.

    Raises:
        Problem: 400, it is no JSON; 422, it is no object, or with every field that is wrong.
    """
    try:
        given = parsed(body, _object)
    except msgspec.ValidationError as error:
        raise Problem.invalid("invalid request", (Fault("", str(error)),)) from None
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in given.items():
        if name not in fields:
            faults.append(Fault(name, f"unknown; there are {', '.join(fields)}"))
            continue
        wanted, allowed = fields[name]
        try:
            values[name] = msgspec.json.decode(value, type=wanted)
        except msgspec.ValidationError:
            faults.append(Fault(name, f"must be {allowed}"))
    if faults:
        raise Problem.invalid("invalid request", faults)
    return values
