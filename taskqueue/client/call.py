"""A request and its answer, as values. No I/O happens here."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from taskqueue.client.failures import error_of
from taskqueue.client.verbs import Verbs
from taskqueue.errors import CallRefused

T_co = TypeVar("T_co", covariant=True)

JSON = "application/json"

RETRIED = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses that say nothing about the request itself (RFC 9110, RFC 6585)."""


class Answer(msgspec.Struct, frozen=True):
    """What came back: status, body, and the header that says when to try again."""

    status: int
    body: bytes
    retry_after: str | None = None

    @property
    def reason(self) -> str:
        """Why this answer is no success, in a few words."""
        return str(error_of(self.status, self.body))

    @property
    def retry_after_s(self) -> float | None:
        """The seconds that the server asks to wait, if it says so in seconds."""
        text = self.retry_after
        return float(text) if text is not None and text.isascii() and text.isdigit() else None


class NoAnswer(msgspec.Struct, frozen=True):
    """A request without an answer: why, and whether the service may have received it."""

    reason: str
    was_sent: bool


def refused(_: Verbs) -> NoReturn:
    """Refuse what only a service can do.

    Raises:
        CallRefused: always.
    """
    detail = "This cannot be done on the file; ask the service over HTTP."
    raise CallRefused(HTTPStatus.NOT_IMPLEMENTED, "needs the service", detail)


def _always(_: object) -> bool:
    return True


class Call(msgspec.Struct, Generic[T_co], frozen=True, kw_only=True):
    """A request, and the reader of its answer.

    `is_repeatable` says whether it may be sent again when its answer was lost: what it changes, it
    changes once. `waits_s` is how long the service may hold the answer back on purpose, until one
    that `is_final`. Under a `key` the service accepts a task once, as part of the trace that
    `traceparent` names. `directly` does the same on a file, if that is possible. `refusals`
    read answers that are no success and no failure either, by their status.
    """

    method: str
    path: str
    read: Callable[[bytes], T_co]
    directly: Callable[[Verbs], T_co] = refused
    is_final: Callable[[Any], bool] = _always
    body: bytes | None = None
    task_id: str | None = None
    group: str | None = None
    is_repeatable: bool = True
    waits_s: float = 0.0
    key: str | None = None
    traceparent: str | None = None
    refusals: Mapping[int, Callable[[bytes], T_co]] = {}

    def is_answered(self, answer: Answer) -> bool:
        """Return whether an answer is the last one: it need not be tried again."""
        return answer.status not in RETRIED or answer.status in self.refusals

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that this request has beside those of every request."""
        headers = {
            "Content-Type": None if self.body is None else JSON,
            "Idempotency-Key": self.key,
            "traceparent": self.traceparent,
        }
        return {name: value for name, value in headers.items() if value is not None}

    def result(self, answer: Answer) -> T_co:
        """Return the value of a successful answer.

        Raises:
            TaskQueueError: what the service says is wrong; see `failures.error_of`.
        """
        if 200 <= answer.status < 300:
            return self.read(answer.body)
        if answer.status in self.refusals:
            return self.refusals[answer.status](answer.body)
        raise error_of(answer.status, answer.body, task_id=self.task_id, group=self.group)
