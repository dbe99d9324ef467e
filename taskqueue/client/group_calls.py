"""One request per verb about groups. No I/O here."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

import msgspec

from taskqueue.client.call import Call
from taskqueue.client.calls import query_of, sent
from taskqueue.client.verbs import NewTaskBody
from taskqueue.client.views import GroupInfo, GroupPage, Progress
from taskqueue.traces import current_traceparent

T = TypeVar("T")


class _Closed(msgspec.Struct):
    group: GroupInfo


def get(name: str, *, wait_s: float = 0.0) -> Call[GroupInfo]:
    """Ask for one group; the service answers when it has ended, or `wait_s` are over."""
    return Call(
        method="GET",
        path=f"{_of_group(name)}{query_of(wait_s=wait_s or None)}",
        read=_reader(GroupInfo),
        directly=lambda file: file.get_group(name),
        is_final=_has_ended,
        group=name,
        waits_s=wait_s,
    )


def _has_ended(group: GroupInfo) -> bool:
    return group.ended


def find(*, ended: bool | None, cursor: int | None) -> Call[GroupPage]:
    """Ask for a page of groups."""
    text = None if ended is None else str(ended).lower()
    return Call(
        method="GET",
        path=f"/groups{query_of(ended=text, cursor=cursor)}",
        read=_reader(GroupPage),
        directly=lambda file: file.find_groups(ended=ended, cursor=cursor),
    )


def close(name: str, then: NewTaskBody | None, tasks: Sequence[NewTaskBody]) -> Call[GroupInfo]:
    """Enqueue the last tasks of a group, close it, and say what follows its end."""
    read = _reader(_Closed)
    return Call(
        method="POST",
        path=_of_group(name, "close"),
        body=msgspec.json.encode({"then": then and sent(then), "tasks": [*map(sent, tasks)]}),
        read=lambda body: read(body).group,
        directly=lambda file: file.close_group(name, then, tasks),
        group=name,
        traceparent=current_traceparent(),
    )


def change_all(
    verb: str, name: str, *, cursor: str | None, reason: str | None = None
) -> Call[Progress]:
    """Cancel or redrive the members of a group, for as long as one request works."""
    return Call(
        method="POST",
        path=f"{_of_group(name, verb)}{query_of(cursor=cursor, reason=reason)}",
        read=_reader(Progress),
        directly=lambda file: file.change_group(verb, name, cursor, reason),
        group=name,
    )


def _of_group(name: str, *verbs: str) -> str:
    return "/".join(("/groups", quote(name, safe=""), *verbs))


def _reader(kind: type[T]) -> Callable[[bytes], T]:
    return msgspec.json.Decoder(kind).decode
