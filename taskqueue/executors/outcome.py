"""From what a handler does to the outcome of its attempt: the one `except Exception` around it.

running ──value──────▶ Succeeded · Failed (False) · Rejected (no JSON, too large)
    ├─────verdict────▶ Failed · Snoozed · Rejected · Cancelled
    ├─────exception──▶ Failed
    └─────limit──────▶ TimedOut
"""

import asyncio
import traceback
from collections.abc import Awaitable
from pathlib import Path
from types import TracebackType
from typing import assert_never

from taskqueue import encoding
from taskqueue.context import Context
from taskqueue.errors import TaskTooLarge
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.outcomes import Cancel, Reject, Retry, Snooze, Verdict
from taskqueue.tasks import (
    Cancelled,
    Failed,
    Outcome,
    Rejected,
    Snoozed,
    Succeeded,
    TimedOut,
)

MAX_ERROR = 1 << 10  # bytes
MAX_TRACEBACK = 16 << 10  # bytes, of its end: the last frames say most

_OWN_FRAMES = str(Path(__file__).parent)


async def outcome_of(
    running: Awaitable[object], context: Context, *, timeout_s: float | None = None
) -> Outcome:
    """Await a running handler and return the outcome of its attempt; see `Executor.run`."""
    caller = asyncio.current_task()
    assert caller is not None  # noqa: S101 - a coroutine is always run by a task
    cancels_before = caller.cancelling()
    try:
        if timeout_s is None:
            value = await running
        else:
            async with asyncio.timeout(timeout_s) as limit:
                value = await running
    except ConsumerCrash:
        raise
    except (Retry, Snooze, Reject, Cancel) as verdict:
        return outcome_of_error(verdict)
    except (Exception, asyncio.CancelledError) as error:
        # Whatever a handler raises once it is cut, the cut is the reason and not the handler.
        if caller.cancelling() > cancels_before:
            raise asyncio.CancelledError from error
        if timeout_s is not None and limit.expired():
            return TimedOut(after_s=timeout_s)
        return outcome_of_error(error)
    return outcome_of_value(value, context)


def outcome_of_value(value: object, context: Context) -> Outcome:
    """Return the outcome of an attempt whose handler has returned `value`."""
    if value is False:
        return Failed(error="returned False")
    try:
        result = encoding.text_of("result", encoding.encode(value))
    except encoding.NotJSON as error:
        kind = type(value).__qualname__
        return Rejected(reason=_start(f"result, of type {kind}, is not JSON: {error}", MAX_ERROR))
    except TaskTooLarge as error:
        return Rejected(reason=str(error))
    return Succeeded(result=result, follow_ups=context.follow_ups, statements=context.statements)


def outcome_of_error(error: BaseException) -> Outcome:
    """Return the outcome of an attempt whose handler has raised `error`, maybe a verdict."""
    if isinstance(error, Verdict):
        return _outcome_of_verdict(error)
    return Failed(error=one_line(error), traceback=shown_traceback(error))


def _outcome_of_verdict(verdict: Verdict) -> Outcome:
    match verdict:
        case Retry(reason=reason, after_s=after_s):
            return Failed(error=_start(reason, MAX_ERROR), retry_in_s=after_s)
        case Snooze(delay_s=delay_s):
            return Snoozed(delay_s=delay_s)
        case Reject(reason=reason):
            return Rejected(reason=_start(reason, MAX_ERROR), traceback=shown_traceback(verdict))
        case Cancel(reason=reason):
            return Cancelled(reason=_start(reason, MAX_ERROR))
        case never:
            assert_never(never)


def one_line(error: BaseException) -> str:
    """Return the exception's type and text as one line of at most 1 KiB.

    >>> one_line(ValueError("no such\\nuser"))
    'ValueError: no such user'
    """
    text = "".join(traceback.TracebackException.from_exception(error).format_exception_only())
    return _start(" ".join(text.split()), MAX_ERROR)


def shown_traceback(error: BaseException) -> str:
    """Return the traceback from the handler's own first frame on, the last 16 KiB of it."""
    lines = traceback.format_exception(type(error), error, _from_handler(error.__traceback__))
    return _end("".join(lines), MAX_TRACEBACK)


def _from_handler(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN_FRAMES):
        frames = frames.tb_next
    return frames


def _start(text: str, limit: int) -> str:
    encoded = _storable(text)
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode(errors="ignore") + "…"


def _end(text: str, limit: int) -> str:
    encoded = _storable(text)
    if len(encoded) <= limit:
        return encoded.decode()
    return "…" + encoded[3 - limit :].decode(errors="ignore")


def _storable(text: str) -> bytes:
    # Half a surrogate pair is no UTF-8 and a NUL ends the text for many a database and tool.
    return text.replace("\0", "\\x00").encode(errors="backslashreplace")
