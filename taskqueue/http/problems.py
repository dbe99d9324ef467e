"""Problems: the answers to requests that fail.

    {"error": "invalid JSON", "type": "about:blank", "title": "Bad Request", "status": 400,
     "detail": "JSON is malformed: trailing characters (byte 16)"}

`error` is for programs that know this service, the rest is RFC 9457's. The media type is
`application/problem+json`, by which a generic client knows what `title` and `detail` mean; a client
that only parses JSON can read it too.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple, Self
from uuid import uuid4

import msgspec
from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler

from taskqueue.errors import (
    MAX_FAULTS,
    ActorUnavailable,
    AskTimeout,
    Fault,
    Faults,
    InvalidTask,
    StorageBusy,
    StorageError,
    TaskTooLarge,
    UnknownAction,
)
from taskqueue.events import events
from taskqueue.http import answers

CONTENT_TYPE = "application/problem+json"

VERSIONS = (HttpVersion10, HttpVersion11)
"""The versions of HTTP that are answered."""

UNAVAILABLE = (StorageError, ActorUnavailable, AskTimeout)
"""What the service port raises while a part of the service is down."""

_MAX_NAMED = 20  # names in the answer about one that is not there

REFUSED = (UnknownAction, InvalidTask, TaskTooLarge)
"""What an app raises at a task that it cannot accept."""


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """What is wrong: `error` for programs, the rest is RFC 9457's."""

    error: str
    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    faults: tuple[Fault, ...] = ()
    conflicts: Mapping[str, str] | None = None
    retry_after_s: float | None = None
    groups: tuple[str, ...] = ()


class Problem(Exception):
    """An error answer; raised anywhere below the middlewares.

    Args:
        status: of the response.
        error: what is wrong, in words that never change.
        detail: what is wrong this time.
        faults: each wrong field of the request; the first `MAX_FAULTS` are listed.
        more_faults: how many there are beside these.
        conflicts: each unique key that another task has, with the id of that task.
        groups: those that take no more tasks.
        headers: of the response.
        instance: names this occurrence, for the log.
        retry_after_s: when it may work, in seconds from now.
    """

    def __init__(
        self,
        status: HTTPStatus,
        error: str,
        detail: str | None = None,
        *,
        faults: Sequence[Fault] = (),
        more_faults: int = 0,
        conflicts: Mapping[str, str] | None = None,
        groups: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        instance: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(error)
        more = more_faults + max(0, len(faults) - MAX_FAULTS)
        self.status = status
        self.error = error
        self.detail = _with_more(detail, more)
        self.faults = tuple(faults[:MAX_FAULTS])
        self.conflicts = conflicts
        self.groups = tuple(groups)
        self.headers = headers
        self.instance = instance
        self.retry_after_s = retry_after_s

    @classmethod
    def invalid(cls, error: str, faults: Sequence[Fault] | Faults) -> Self:
        """Return the answer to a request that is readable but cannot be carried out."""
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if isinstance(faults, Faults):
            return cls(status, error, faults=faults.named, more_faults=faults.more)
        return cls(status, error, faults=faults)

    def response(self) -> web.StreamResponse:
        """Return it as a response."""
        body = ProblemDetails(
            error=self.error,
            type="about:blank",  # the status says what kind of problem it is
            title=self.status.phrase,
            status=self.status,
            detail=self.detail,
            instance=self.instance,
            faults=self.faults,
            conflicts=self.conflicts,
            retry_after_s=self.retry_after_s,
            groups=self.groups,
        )
        return answers.json_response(
            body, self.status, content_type=CONTENT_TYPE, headers=self.headers
        )


def _with_more(detail: str | None, more: int) -> str | None:
    if not more:
        return detail
    rest = f"The first {MAX_FAULTS} faults are listed, and {more} more may follow."
    return rest if detail is None else f"{detail} {rest}"


class Unavailable(NamedTuple):
    """What a call answers while a part of the service is unavailable.

    try:
        await ask(Enqueue(tasks=tasks))
    except UNAVAILABLE as error:
        raise Unavailable("failed to queue task").problem(error) from error
    """

    error: str
    detail: str = "A part of the service is unavailable."
    when_busy: str = "Nothing was changed"

    def problem(self, cause: Exception) -> Problem:
        """Return the 503. If another program holds what the call needs, it names that program."""
        if isinstance(cause, StorageBusy):
            return unavailable(self.error, f"{self.when_busy}: {cause.reason}")
        return unavailable(self.error, self.detail)


def not_found(what: str, name: str, names: Sequence[str]) -> Problem:
    """Return the 404 about a name that nothing has, with the names that there are.

    >>> not_found("limit", "smpt", ["api", "smtp"]).detail
    "There is no limit 'smpt'; there are: api, smtp."
    """
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    there = ", ".join(names[:_MAX_NAMED]) or "none"
    detail = f"There is no {what} {name!r}; there are: {there}{more}."
    return Problem(HTTPStatus.NOT_FOUND, f"no such {what}", detail)


def unavailable(error: str, detail: str | None) -> Problem:
    """Return a 503 that tells the client when to try again."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return Problem(status, error, detail, headers={"Retry-After": "1"})


def refusal(error: UnknownAction | InvalidTask | TaskTooLarge) -> Problem:
    """Return why a task cannot be accepted."""
    match error:
        case UnknownAction():
            return Problem.invalid("unknown action", faults_of(error))
        case InvalidTask():
            return Problem.invalid("invalid task", faults_of(error))
        case TaskTooLarge():
            return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "task too large", str(error))


def faults_of(error: UnknownAction | InvalidTask) -> Faults:
    """Return what is wrong with a task, by field."""
    faults = Faults()
    if isinstance(error, InvalidTask):
        faults.add(*error.faults, more=error.more)
    else:
        known = ", ".join(sorted(error.known)) or "none"
        faults.add(Fault("action", f"unknown; this app knows: {known}"))
    return faults


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every request, whatever its handler raises.

    An unexpected exception is a 500 with an id only; the log has the traceback under that id.
    """
    try:
        if request.version not in VERSIONS:
            return unknown_version().response()
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as refused:
        return of_aiohttp(refused).response()
    except Exception as error:  # noqa: BLE001 - one request's bug must not affect others
        return surprise(request, error).response()


def of_aiohttp(refused: web.HTTPException) -> Problem:
    """Return the problem for what aiohttp itself refuses: no such path, wrong method."""
    status = HTTPStatus(refused.status)
    allow = refused.headers.get(hdrs.ALLOW)
    headers: dict[str, str] | None = None if allow is None else {hdrs.ALLOW: allow}
    return Problem(status, status.phrase.lower(), headers=headers)


def expectation_failed() -> Problem:
    """Return the answer to an `Expect` that is not `100-continue`."""
    status = HTTPStatus.EXPECTATION_FAILED
    return Problem(status, status.phrase.lower(), "Expect may only be 100-continue.")


def surprise(request: web.BaseRequest, error: BaseException | None) -> Problem:
    """Return a 500 with an id only; the log has `error` under that id."""
    error_id = str(uuid4())
    events.error(
        "http_error", error_id=error_id, method=request.method, path=request.path, exc_info=error
    )
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal error",
        "The log has it under the id of this instance.",
        instance=f"urn:uuid:{error_id}",
    )


def unknown_version() -> Problem:
    """Return the answer to a request of another version of HTTP."""
    detail = "The versions of HTTP are 1.0 and 1.1."
    return Problem(HTTPStatus.BAD_REQUEST, "invalid HTTP", detail)


def not_http() -> Problem:
    """Return the answer to bytes that are no HTTP request."""
    return Problem(HTTPStatus.BAD_REQUEST, "invalid HTTP", "This is not a valid HTTP/1.1 request.")


def header_too_large(limit: int) -> Problem:
    """Return the answer to a line of the header that is too long."""
    detail = f"The request line and each header field have {limit} bytes at most."
    return Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "header too large", detail)
