"""One request per verb about limits, with the reader of its answer. No I/O here."""

from http import HTTPStatus
from urllib.parse import quote, urlencode

import msgspec

from taskqueue.client.call import Call
from taskqueue.client.views import LimitInfo, LimitPage

USUAL_WAIT_S = 1.0
"""The pause before another try, if the answer does not say how long it has to be."""


class Limits(msgspec.Struct):
    """A page of limits, and where the next one begins."""

    limits: list[LimitInfo]
    next: str | None = None


class _Spent(msgspec.Struct):
    retry_after_s: float = USUAL_WAIT_S


_spent = msgspec.json.Decoder(_Spent)


def limits(cursor: str | None) -> Call[Limits]:
    """Ask for a page of limits."""
    query = "" if cursor is None else f"?{urlencode({'cursor': cursor})}"
    return Call(method="GET", path=f"/limits{query}", read=msgspec.json.Decoder(Limits).decode)


def page(name: str, cursor: str | None) -> Call[LimitPage]:
    """Ask for a limit with a page of its keys."""
    query = "" if cursor is None else f"?{urlencode({'cursor': cursor})}"
    read = msgspec.json.Decoder(LimitPage).decode
    return Call(method="GET", path=f"{_of_limit(name)}{query}", read=read)


def change(name: str, **values: float | None) -> Call[LimitInfo]:
    """Change what a limit allows; None is any number."""
    return Call(
        method="PUT",
        path=_of_limit(name),
        body=msgspec.json.encode(values),
        read=msgspec.json.Decoder(LimitInfo).decode,
    )


def reset(name: str) -> Call[None]:
    """Have what the app declares hold again."""
    return Call(method="DELETE", path=_of_limit(name), read=_nothing)


def take(name: str, cost: float, key: str | None) -> Call[float | None]:
    """Take starts; the answer is None, or in how many seconds to ask again."""
    return Call(
        method="POST",
        path=f"{_of_limit(name)}/take",
        body=msgspec.json.encode({"cost": cost, "key": key}),
        read=_nothing,
        refusals={HTTPStatus.TOO_MANY_REQUESTS: _wait_of},
    )


def _of_limit(name: str) -> str:
    return f"/limits/{quote(name, safe='')}"


def _nothing(_: bytes) -> None:
    return None


def _wait_of(body: bytes) -> float:
    try:
        return _spent.decode(body).retry_after_s
    except msgspec.DecodeError:  # a proxy's answer
        return USUAL_WAIT_S
