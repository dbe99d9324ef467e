"""One request per verb about schedules. No I/O here."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from taskqueue.client.call import Call
from taskqueue.client.schedules.views import ScheduleInfo
from taskqueue.client.views import Receipt
from taskqueue.rules import arguments

_info = msgspec.json.Decoder(ScheduleInfo).decode
_receipt = msgspec.json.Decoder(Receipt).decode


class ScheduleList(msgspec.Struct):
    """A page of schedules, and where the next one begins."""

    schedules: list[ScheduleInfo]
    next: str | None = None


_list = msgspec.json.Decoder(ScheduleList).decode


def find(cursor: str | None) -> Call[ScheduleList]:
    """Ask for a page of schedules."""
    query = "" if cursor is None else f"?{urlencode({'cursor': cursor})}"
    return Call(method="GET", path=f"/schedules{query}", read=_list)


def get(name: str) -> Call[ScheduleInfo]:
    """Ask for one schedule."""
    return Call(method="GET", path=_of(name), read=_info)


def create(fields: Mapping[str, Any]) -> Call[ScheduleInfo]:
    """Create a schedule.

    Raises:
        InvalidTask: an argument has no JSON form.
    """
    return Call(
        method="POST",
        path="/schedules",
        body=_encoded(fields),
        read=_info,
        is_repeatable=False,
    )


def put(name: str, fields: Mapping[str, Any]) -> Call[ScheduleInfo]:
    """Create a schedule, or replace all of it. Raises what `create` does."""
    return Call(method="PUT", path=_of(name), body=_encoded(fields), read=_info)


def change(name: str, fields: Mapping[str, Any]) -> Call[ScheduleInfo]:
    """Change some of a schedule. Raises what `create` does."""
    return Call(method="PATCH", path=_of(name), body=_encoded(fields), read=_info)


def pause(name: str, reason: str | None) -> Call[ScheduleInfo]:
    """Pause a schedule."""
    body = None if reason is None else msgspec.json.encode({"reason": reason})
    return Call(method="POST", path=_of(name, "pause"), body=body, read=_info)


def resume(name: str) -> Call[ScheduleInfo]:
    """Resume a schedule."""
    return Call(method="POST", path=_of(name, "resume"), read=_info)


def run(name: str) -> Call[Receipt]:
    """Run a schedule once, now."""
    return Call(method="POST", path=_of(name, "run"), read=_receipt, is_repeatable=False)


def delete(name: str) -> Call[None]:
    """Delete a schedule."""
    return Call(method="DELETE", path=_of(name), read=lambda _: None, is_repeatable=False)


def _of(name: str, *verbs: str) -> str:
    return "/".join(("/schedules", quote(name, safe=""), *verbs))


def _encoded(fields: Mapping[str, Any]) -> bytes:
    body = {name: value for name, value in fields.items() if name not in {"data", "every"}}
    if fields.get("data") is not None:
        body["data"] = msgspec.Raw(arguments.encoded(fields["data"]))
    if (every := fields.get("every")) is not None:
        body["every_s"] = every.total_seconds() if isinstance(every, timedelta) else every
    return msgspec.json.encode(body)
