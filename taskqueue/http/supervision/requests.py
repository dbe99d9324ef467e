"""What requests about the supervision tree say."""

from typing import Annotated, Literal

from msgspec import Meta

from taskqueue.http.queries import Parameter, Query
from taskqueue.structs import Struct


class Place(Struct, forbid_unknown_fields=True):
    """An actor in the supervision tree, such as `root/database`."""

    path: str


class Size(Struct, forbid_unknown_fields=True):
    """The number of consumers; null for the configured one."""

    count: Annotated[int, Meta(ge=0, le=1024)] | None


class Form(Struct):
    """The form in which the tree is shown; None leaves it to the `Accept` header."""

    format: str | None = None


_FORMATS = {"json": "json", "text": "text"}

FORM = Query(
    Form, {"format": Parameter(_FORMATS.get, "one of json, text", Literal["json", "text"])}
)
