"""From what a handler does to the outcome of its attempt: the one `except Exception` around it.

running ──value──────▶ Succeeded · Failed (False) · Rejected (no JSON, too large)
    ├─────verdict────▶ Failed · Snoozed · Rejected · Cancelled
    ├─────exception──▶ Failed
    └─────limit──────▶ TimedOut
"""

import asyncio
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import assert_never, cast

from taskqueue.api.context import Context
from taskqueue.api.handler import Handler
from taskqueue.api.outcomes import Cancel, Reject, Retry, Snooze, Verdict, seconds
from taskqueue.api.retries import Retries
from taskqueue.errors import TaskTooLarge
from taskqueue.executors.eager import outside_of_tasks
from taskqueue.executors.protocol import ConsumerCrash
from taskqueue.foreign import rendering
from taskqueue.process import eager_tasks
from taskqueue.rules import encoding
from taskqueue.rules.tasks import (
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

_WITHOUT_CODE = frozenset({type(None), bool, int, float, str})
"""Types of values that are encoded without any code of the user's."""

_OWN_FRAMES = (str(Path(__file__).parent), eager_tasks.__file__)


async def outcome_of(
    running: Awaitable[object], context: Context, handler: Handler, loop: asyncio.AbstractEventLoop
) -> Outcome:
    """Await a running handler and return the outcome of its attempt; see `Executor.run`.

    `loop` is the one that runs, as for `eagerly`.
    """
    timeout_s = context.limit_s
    caller = asyncio.current_task(loop)
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
        return outside_of_tasks(partial(outcome_of_error, verdict, context, handler))
    except (Exception, asyncio.CancelledError) as error:
        # Whatever a handler raises once it is cut, the cut is the reason and not the handler.
        if caller.cancelling() > cancels_before:
            raise asyncio.CancelledError from error
        if timeout_s is not None and limit.expired():
            return TimedOut(after_s=timeout_s)
        return outside_of_tasks(partial(outcome_of_error, error, context, handler))
    if type(value) in _WITHOUT_CODE:
        return outcome_of_value(value, context, handler)
    return outside_of_tasks(partial(outcome_of_value, value, context, handler))


def outcome_of_value(value: object, context: Context, handler: Handler) -> Outcome:
    """Return the outcome of an attempt whose handler has returned `value`."""
    encoded = b""
    try:
        encoded = encoding.encode(value)
        result = encoding.json_of("result", value, encoded, limit=context.max_result_bytes)
    except TaskTooLarge as error:
        beginning = encoded[:MAX_ERROR].decode(errors="replace")
        return Rejected(reason=shortened(f"{error} (max_result_bytes); it begins: {beginning}"))
    except BaseException as error:  # noqa: BLE001 - code of the value's own
        return _not_json(value, error)
    if result == "false" and handler.false_is_failure:
        return Failed(error="returned False")
    try:
        follow_ups, statements = context.follow_ups, context.statements
    except Exception as error:  # noqa: BLE001 - user code has replaced a part of its context
        return Failed(error=shortened(f"its context is broken: {rendering.error_line(error)}"))
    return Succeeded(result=result, follow_ups=follow_ups, statements=statements)


def _not_json(value: object, error: BaseException) -> Rejected:
    own = type(error) is encoding.NotJSON
    why = rendering.text(error) if own else rendering.error_line(error)
    kind = rendering.type_name(value)
    return Rejected(reason=shortened(f"result, of type {kind}, is not JSON: {why}"))


def outcome_of_error(error: BaseException, context: Context, handler: Handler) -> Outcome:
    """Return the outcome of an attempt whose handler has raised `error`, maybe a verdict."""
    # By its type: `isinstance` asks the object for its `__class__`, and user code may answer.
    if not issubclass(type(error), Verdict):
        return _outcome_of_exception(error, context, handler.retries)
    try:
        return _outcome_of_verdict(cast(Verdict, error))
    except BaseException as fault:  # noqa: BLE001 - of a subclass of user code
        reason = f"{rendering.type_name(error)} cannot be followed: {rendering.error_line(fault)}"
        return Failed(error=shortened(reason), traceback=shown_traceback(error))


def _outcome_of_exception(
    error: BaseException, context: Context, retries: Retries
) -> Failed | Rejected:
    line, traceback = one_line(error), shown_traceback(error)
    try:
        if not retries.tries_again(error):
            return Rejected(reason=shortened(f"not retried: {line}"), traceback=traceback)
        wait_s = retries.wait_after(error, context.attempt)
    except BaseException as fault:  # noqa: BLE001 - user code may raise anything
        reason = f"{line} (its rule about retries failed: {rendering.error_line(fault)})"
        return Failed(error=shortened(reason), traceback=traceback)
    return Failed(error=line, traceback=traceback, retry_in_s=wait_s)


def _outcome_of_verdict(verdict: Verdict) -> Outcome:
    match verdict:
        case Retry():
            after_s = verdict.after_s
            delay_s = None if after_s is None else seconds("after_s", after_s)
            return Failed(error=_reason(verdict), retry_in_s=delay_s)
        case Snooze():
            return Snoozed(delay_s=seconds("delay_s", verdict.delay_s))
        case Reject():
            return Rejected(reason=_reason(verdict), traceback=shown_traceback(verdict))
        case Cancel():
            return Cancelled(reason=_reason(verdict))
        case never:
            assert_never(never)


def _reason(verdict: Retry | Reject | Cancel) -> str:
    """Return the reason of a verdict; if a subclass has set none, its text, or else its name."""
    reason = rendering.text(getattr(verdict, "reason", verdict))
    return shortened(reason or rendering.type_name(verdict))


def one_line(error: BaseException) -> str:
    """Return the exception's type and text as one line of at most 1 KiB.

    >>> one_line(ValueError("no such\\nuser"))
    'ValueError: no such user'
    """
    return shortened(rendering.error_line(error))


def shown_traceback(error: BaseException) -> str:
    """Return the traceback from the handler's own first frame on, the last 16 KiB of it."""
    frames = _from_handler(rendering.frames_of(error))
    return _end(rendering.error_traceback(error, frames), MAX_TRACEBACK)


def _from_handler(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN_FRAMES):
        frames = frames.tb_next
    return frames


def shortened(text: str) -> str:
    """Return the first KiB of `text`, as it can be stored."""
    encoded = rendering.storable(text).encode()
    if len(encoded) <= MAX_ERROR:
        return encoded.decode()
    return encoded[: MAX_ERROR - 3].decode(errors="ignore") + "…"


def _end(text: str, limit: int) -> str:
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    return "…" + encoded[3 - limit :].decode(errors="ignore")
