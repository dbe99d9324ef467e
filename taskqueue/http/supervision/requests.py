"""Whom in the tree a request means, how many of them, and in what form they are shown."""

from typing import Annotated

import msgspec
from multidict import MultiMapping

from taskqueue.errors import Fault
from taskqueue.http.bodies import parsed
from taskqueue.http.problems import Problem
from taskqueue.http.queries import Parameters, read_query
from taskqueue.structs import Struct


class Place(Struct, forbid_unknown_fields=True):
    """Somebody in the supervision tree."""

    path: str


class Size(Struct, forbid_unknown_fields=True):
    """How many consumers there shall be."""

    count: Annotated[int, msgspec.Meta(ge=0, le=1024)]


_place = msgspec.json.Decoder(Place)
_size = msgspec.json.Decoder(Size)

_FORMAT: Parameters = {"format": ({"json": "json", "text": "text"}.get, "one of json, text")}


def read_path(body: bytes) -> str:
    """Return the path of the tree that a body names.

    Raises:
        Problem: 400, it is no JSON; 422, it is not `{"path": "..."}`.
    """
    try:
        return parsed(body, _place).path
    except msgspec.ValidationError as error:
        raise Problem.invalid("invalid request", (Fault("path", str(error)),)) from None


def read_count(body: bytes) -> int:
    """Return the number of consumers that a body asks for.

    Raises:
        Problem: 400, it is no JSON; 422, it is not `{"count": 0…1024}`.
    """
    try:
        return parsed(body, _size).count
    except msgspec.ValidationError as error:
        raise Problem.invalid("invalid request", (Fault("count", str(error)),)) from None


def read_format(query: MultiMapping[str]) -> str | None:
    """Return the form in which somebody wants to see the tree, None for no wish.

    Raises:
        Problem: 422, with every parameter that is wrong.
    """
    wish: str | None = read_query(query, _FORMAT).get("format")
    return wish
