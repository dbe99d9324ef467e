"""Problems of the service as exceptions of this program. Pure."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from taskqueue.errors import (
    AccessDenied,
    CallRefused,
    Fault,
    GroupClosed,
    GroupNotFound,
    InvalidTask,
    KeyConflict,
    KeyTaken,
    TaskNotFound,
    TaskQueueError,
)


class _Problem(msgspec.Struct):
    """The body of an answer that is not a success: RFC 9457, with this service's members."""

    error: str = ""
    title: str = ""
    detail: str | None = None
    faults: tuple[Fault, ...] = ()
    conflicts: Mapping[str, str] = {}
    groups: tuple[str, ...] = ()


_read = msgspec.json.Decoder(_Problem).decode


def error_of(
    status: int, body: bytes, *, task_id: str | None = None, group: str | None = None
) -> TaskQueueError:
    """Return the exception for an answer: the same that enqueueing in the service would raise.

    `task_id` or `group` is what the call was about. An answer that is not of this service, such as
    a proxy's page, is a `CallRefused` with the beginning of it as detail.
    """
    try:
        problem = _read(body)
    except msgspec.DecodeError:
        return _refused(status, _Problem(detail=body[:200].decode(errors="replace") or None))
    if problem.conflicts:
        kind = KeyTaken if status == HTTPStatus.CONFLICT else KeyConflict
        return kind(problem.conflicts)
    if problem.groups:
        return GroupClosed(problem.groups)
    if problem.error in _INVALID:
        return InvalidTask(problem.faults)
    if task_id is not None and problem.error == "task not found":
        return TaskNotFound(task_id)
    if group is not None and problem.error == "group not found":
        return GroupNotFound(group)
    return _refused(status, problem)


_INVALID = frozenset({"invalid task", "invalid tasks", "unknown action"})
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def _refused(status: int, problem: _Problem) -> CallRefused:
    kind = AccessDenied if status in _DENIED else CallRefused
    return kind(
        status, problem.error or problem.title or _phrase(status), problem.detail, problem.faults
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.lower()
    except ValueError:
        return "unexpected answer"
