"""The body of a cancellation."""

from typing import Annotated

from msgspec import Meta

from taskqueue.http.bodies import FieldReader
from taskqueue.structs import Struct

NO_REASON = "asked for over HTTP"
MAX_REASON = 1000  # characters


class CancelRequest(Struct, forbid_unknown_fields=True):
    """Why a task is cancelled."""

    reason: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_REASON,
            description=f"a text of 1 to {MAX_REASON} characters",
        ),
    ] = NO_REASON


_fields = FieldReader(CancelRequest)


async def read_reason(body: bytes) -> str:
    """Return the reason that a body names; it may be left out, as may the whole body.

    Raises:
        Problem: 400, it is no JSON; 422, with every fault.
    """
    return CancelRequest(**_fields.read(body or b"{}")).reason
