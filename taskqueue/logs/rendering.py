"""Renders an event as a line of JSON."""

import datetime as dt
import json

import msgspec
from structlog.typing import EventDict, WrappedLogger

from taskqueue.foreign import rendering
from taskqueue.logs.plain import PLAIN_ALREADY, plain

FIRST = {"time": None, "level": None, "event": None}
# Lone surrogates, integers of more than 64 bits, and those that are too long for decimal digits.
NOT_FOR_MSGSPEC = (UnicodeEncodeError, OverflowError, ValueError)
encode = msgspec.json.Encoder().encode
now = dt.datetime.now  # bound now: a handler's library may replace the class in its module


def render_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    if "exc_info" in event:
        event = render_exception(logger, method, event)
    if not PLAIN_ALREADY.issuperset(map(type, event.values())):
        event = plain_values(logger, method, event)
    ordered = {**FIRST, **event, "time": now(dt.UTC)}
    try:
        return encode(ordered).decode()
    except NOT_FOR_MSGSPEC:
        said = plain_values(logger, method, event)
        return json.dumps({**FIRST, **said, "time": msgspec.to_builtins(ordered["time"])})


def render_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put the traceback of `exc_info` in its place, or what could be rendered of it."""
    error = rendering.exception_in(event.pop("exc_info", None))
    if error is not None:
        traceback = rendering.error_traceback(error, rendering.frames_of(error))
        event["exception"] = traceback.removesuffix("\n")
    return event


def plain_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: plain(value) for key, value in event.items()}
