"""Idempotency keys: a request that is sent again is not done again.

    Idempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324
    Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324"

The second form is that of the IETF's draft, a string of RFC 9651. The key becomes the unique key of
the request's task, unless that has one of its own, or its action makes one of the data. The tasks
of a list get `key/0`, `key/1` and so on, or the SHA-256 of that where it is too long for a key.
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace
from multidict import MultiMapping, istr

from taskqueue.errors import Fault
from taskqueue.http.problems import Problem
from taskqueue.http.queries import Parameter
from taskqueue.http.tasks.requests import TaskRequest, indexed
from taskqueue.rules.names import KEY_RULE, MAX_KEY, UNPRINTABLE, is_key
from taskqueue.rules.tasks import NewTask

HEADER = "Idempotency-Key"
# Plain, which cannot begin or end with the spaces that HTTP strips; or in quotes.
_PATTERN = (
    rf'^(?:[^" {UNPRINTABLE}](?:[^{UNPRINTABLE}]{{0,{MAX_KEY - 2}}}[^ {UNPRINTABLE}])?'
    rf'|"(?:[^"\\{UNPRINTABLE}]|\\["\\]){{1,{MAX_KEY}}}")$'
)
KEY_HEADER = {
    HEADER: Parameter(str, KEY_RULE, Annotated[str, Meta(extra_json_schema={"pattern": _PATTERN})])
}
REPLAYED = {"Idempotent-Replayed": "true"}

_NAME = istr(HEADER)  # looked up without being normalized again
_STRING = re.compile(r'"((?:[^"\\]|\\["\\])*)"')  # RFC 9651, section 3.3.3
_ESCAPED = re.compile(r"\\(.)")


def read_key(headers: MultiMapping[str]) -> str | None:
    """Return the key of a request, None if it has none.

    Raises:
        Problem: 422, it is no key, or there are several.
    """
    if _NAME not in headers:
        return None
    texts = headers.getall(_NAME)
    if len(texts) > 1:
        raise Problem.invalid("invalid request", (Fault(HEADER, "given twice"),))
    key = _unquoted(_decoded(texts[0]))
    if not is_key(key):
        raise Problem.invalid("invalid request", (Fault(HEADER, KEY_RULE),))
    return key


def keyed(request: TaskRequest, key: str | None) -> TaskRequest:
    """Return the request with the key of its header.

    Raises:
        Problem: 422, it has another key in its body.
    """
    if key is None:
        return request
    faults = tuple(_contradictions(request, key))
    if faults:
        raise Problem.invalid("invalid task", faults)
    return replace(request, idempotency_key=key)


def all_keyed(requests: Sequence[TaskRequest], key: str | None) -> Sequence[TaskRequest]:
    """Return the requests of a list, each with a key of its own if the whole has one.

    Raises:
        Problem: 422, one has another key in its body; or some have a key and others have none.
    """
    if key is None:
        _require_all_or_none(requests)
        return requests
    own = [_of_one(key, index) for index in range(len(requests))]
    pairs = list(zip(requests, own, strict=True))
    faults = [
        fault
        for index, pair in enumerate(pairs)
        for fault in indexed(index, _contradictions(*pair))
    ]
    if faults:
        raise Problem.invalid("invalid tasks", faults)
    return [replace(request, idempotency_key=its_own) for request, its_own in pairs]


def _of_one(key: str, index: int) -> str:
    """Return the key of one task of a list: a digest of the usual one if that is too long."""
    usual = f"{key}/{index}"
    return usual if len(usual) <= MAX_KEY else sha256(usual.encode()).hexdigest()


def bound_together(tasks: Sequence[NewTask]) -> list[NewTask]:
    """Return the tasks of a list, each with a fingerprint of the whole.

    So a list with one task changed, added or left out is another request, under the key of each.
    """
    whole = sha256("\n".join(str(task.fingerprint) for task in tasks).encode()).hexdigest()
    return [replace(task, fingerprint=whole) for task in tasks]


def _decoded(text: str) -> str:
    r"""Return the value of a header that aiohttp has read as UTF-8: it is ISO 8859-1 if it is not.

    That is what browsers send.

    >>> _decoded("größe"), _decoded("gr\udcf6\udcdfe")
    ('größe', 'größe')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode("latin-1")
    return text


def _unquoted(text: str) -> str | None:
    """Return the key that a header's value means, None if its quotes mean nothing.

    >>> _unquoted("7"), _unquoted('"7"'), _unquoted('"7')
    ('7', '7', None)
    """
    string = _STRING.fullmatch(text)
    if string is not None:
        return _ESCAPED.sub(r"\1", string[1])
    return None if text.startswith('"') else text


def _contradictions(request: TaskRequest, key: str) -> Iterator[Fault]:
    for name in ("unique_key", "idempotency_key"):
        if getattr(request, name) not in {None, key}:
            yield Fault(name, f"must be {key!r} beside this {HEADER}, or be left out")


def _require_all_or_none(requests: Sequence[TaskRequest]) -> None:
    # Sending a list again is safe or it is not. It must not be safe for some of its tasks only.
    without = [index for index, request in enumerate(requests) if not _is_keyed(request)]
    if 0 < len(without) < len(requests):
        message = "required, because other tasks of this list have one"
        faults = [Fault(f"[{index}].unique_key", message) for index in without]
        raise Problem.invalid("invalid tasks", faults)


def _is_keyed(request: TaskRequest) -> bool:
    return request.unique_key is not None or request.idempotency_key is not None
