"""The bodies of requests: read whole, then decoded."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from aiohttp import web

from taskqueue.errors import Fault, Faults
from taskqueue.http.problems import Problem
from taskqueue.http.server.large import holder_of
from taskqueue.rules.encoding import MAX_BYTES

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")

# A payload of the largest size, with room for the options beside it.
MAX_BODY_BYTES = MAX_BYTES + 65_536

# Each chunk costs about as much time as a hundred bytes of a body that is sent in one piece.
MAX_CHUNKS = 10_000
TURN = 200  # chunks that are read before other requests get a turn

# Python's recursion limit covers calls and nested values together. Parts of a body are decoded
# again deeper in the stack, here and when the task runs, so the first decoding leaves a margin.
_MARGIN = 100
_MANY = 500  # brackets; fewer cannot nest too deeply

_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def body_of(request: web.Request) -> bytes:
    """Return the whole body.

    Raises:
        Problem: 413, it is too large, or in too many chunks; 400, it did not arrive as announced;
            408, it took too long to arrive.
    """
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large(f"A request has {MAX_BODY_BYTES} bytes at most.")
    if request.content.is_eof():
        return await request.read()
    try:
        async with asyncio.timeout(holder_of(request).body_s):
            return await _arriving(request)
    except TimeoutError:
        detail = "The body took too long to arrive."
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "request timeout", detail) from None
    except (web.RequestPayloadError, ConnectionError) as error:
        # The request refers to this error, whose traceback would refer to the request.
        error.__traceback__ = None
        detail = "The body did not arrive as announced."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid JSON", detail) from None


async def _arriving(request: web.Request) -> bytes:
    holder = holder_of(request)
    body = bytearray()
    chunks = 0
    async for piece, ends_chunk in request.content.iter_chunks():
        chunks += ends_chunk
        body += piece
        holder.hold(len(piece))
        if len(body) > MAX_BODY_BYTES:
            raise _too_large(f"A request has {MAX_BODY_BYTES} bytes at most.")
        if chunks > MAX_CHUNKS:
            holder.drop_rest()
            raise _too_large(f"A request has {MAX_CHUNKS} chunks at most.")
        if chunks % TURN == TURN - 1:
            await asyncio.sleep(0)  # there is no other wait between chunks that arrived together
    return bytes(body)


def _too_large(detail: str) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request too large", detail)


def parsed(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Return a whole body, decoded for the first time.

    Raises:
        Problem: 400, it is no JSON.
        msgspec.ValidationError: it is not what the decoder wants.
    """
    try:
        body.decode()  # what becomes `Raw` is skipped without a look at its encoding
        return _decoded(body, decoder)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid JSON", str(error)) from None
    except RecursionError:
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid JSON", "nested too deeply") from None


def _decoded(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    if body.count(b"[") + body.count(b"{") < _MANY:
        return decoder.decode(body)
    return _deeper(_MARGIN, decoder, body)


def _deeper(frames: int, decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    return _deeper(frames - 1, decoder, body) if frames else decoder.decode(body)


class FieldReader:
    """Reads an object field by field, to find every fault at once.

    The description of a field, in `Meta`, says what is allowed: "must be …".
    """

    def __init__(self, *structs: type[msgspec.Struct]) -> None:
        """Make a reader of the fields of all `structs`, none of which is required."""
        fields = (field for struct in structs for field in msgspec.structs.fields(struct))
        self._types = {field.name: field.type for field in fields}

    def read(self, body: bytes) -> dict[str, Any]:
        """Return the fields that are given.

        Raises:
            Problem: 400, it is no JSON; 422, it is no object, or with every field that is wrong.
        """
        try:
            given = parsed(body, _object)
        except msgspec.ValidationError as error:
            raise Problem.invalid("invalid request", (Fault("", str(error)),)) from None
        values: dict[str, Any] = {}
        faults = Faults()
        for position, (name, value) in enumerate(given.items()):
            if faults.is_full:
                faults.add(more=len(given) - position)
                break
            try:
                values[name] = msgspec.json.decode(value, type=self._types[name])
            except KeyError:
                faults.add(Fault(name, f"unknown; there are {', '.join(self._types)}"))
            except msgspec.ValidationError:
                faults.add(Fault(name, f"must be {_description(self._types[name])}"))
        if faults:
            raise Problem.invalid("invalid request", faults)
        return values


def _description(kind: Any) -> str:
    """Return what a field's type allows.

    >>> _description(Annotated[str, msgspec.Meta(description="a name")] | msgspec.UnsetType)
    'a name'
    """
    described = next(each for each in (kind, *get_args(kind)) if get_origin(each) is Annotated)
    return str(described.__metadata__[0].description)


def only_field(struct: type[S]) -> Callable[[bytes], Awaitable[S]]:
    """Return a reader of objects that have one field, which is required."""
    [name] = struct.__struct_fields__

    async def read(body: bytes) -> S:
        try:
            return msgspec.convert(_with_integers(parsed(body, _any)), struct)
        except msgspec.ValidationError as error:
            raise Problem.invalid("invalid request", (Fault(name, str(error)),)) from None

    return read


def _with_integers(value: Any) -> Any:
    # JSON has one kind of number: 8.0 is a whole number to every client, but not to msgspec.
    if not isinstance(value, dict):
        return value
    whole = {k: int(v) for k, v in value.items() if isinstance(v, float) and v.is_integer()}
    return value | whole
