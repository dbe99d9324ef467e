"""JSON text within its limit: what a payload and a result must fit.

A value that JSON cannot hold and a text that is too large are told apart from everything else that
may go wrong, because both are the task's own fault and stay so however often it is tried.
"""

import msgspec

from taskqueue.errors import TaskTooLarge

MAX_BYTES = 1 << 20  # of a payload, and of a result


class NotJSON(ValueError):
    """The value has no JSON form."""


def encode(value: object) -> bytes:
    """Return `value` as JSON; NaN and infinities become null, as JSON has no word for them.

    Raises:
        NotJSON: something in it has no JSON form, or it contains itself.
    """
    try:
        return msgspec.json.encode(value)
    except RecursionError:
        raise NotJSON("is nested too deeply, or contains itself") from None
    except UnicodeEncodeError:
        raise NotJSON("contains half of a surrogate pair, which is no text") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise NotJSON(str(error)) from error


def text_of(what: str, encoded: bytes) -> str:
    """Return JSON as the text that is stored; `what` names it in errors.

    Raises:
        TaskTooLarge: it has more than `MAX_BYTES` bytes.
        NotJSON: it is not UTF-8.
    """
    if len(encoded) > MAX_BYTES:
        raise TaskTooLarge(what, len(encoded), MAX_BYTES)
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        raise NotJSON("is not UTF-8") from None
