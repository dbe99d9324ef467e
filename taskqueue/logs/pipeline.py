"""Structured logs: one event, one line.

    {"time":"2026-11-22T08:00:00.000000Z","level":"info","event":"task_completed","task_id":"…"}

JSON for programs, coloured columns on a terminal. What libraries say through `logging` comes out in
the same form. A log call never raises, whatever it is given and wherever the lines go. What an app
does to the global state of `structlog` and `logging` changes its own lines and none of ours.
"""

import contextlib
import dataclasses
import datetime as dt
import json
import logging
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, copy_context
from enum import Enum
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from taskqueue.foreign import rendering
from taskqueue.logger import log
from taskqueue.logs.lines import LineWriter, Stream
from taskqueue.logs.output import Output
from taskqueue.settings.model import LogFormat, LogLevel

# Libraries report through `logging`: their warnings matter here, their chatter does not.
_LEAST_OF_LIBRARIES = logging.WARNING
_DEEPEST = 8
_STDOUT = 1
_current: tuple[LogFormat, LogLevel] | None = None
_lines: LineWriter | None = None
_output: Output | None = None
_PLAIN_ALREADY = frozenset({str, int, bool, type(None)})
_FIRST = {"time": None, "level": None, "event": None}
_RESERVED = frozenset({*_FIRST, "exc_info"})
# Context variables that were seen and are not structlog's; each is made once, so they are few.
_foreign: set[ContextVar[Any]] = set()
_encode = msgspec.json.Encoder().encode
_now = dt.datetime.now  # bound now: a handler's library may replace the class in its module
# Lone surrogates, integers of more than 64 bits, and those that are too long for decimal digits.
_NOT_FOR_MSGSPEC = (UnicodeEncodeError, OverflowError, ValueError)
_MOST_BITS = 2048  # of an integer that is shown in digits; Python refuses some more


def configure(format: LogFormat, level: LogLevel, stream: Stream | None = None) -> None:  # noqa: A002
    """Send every event from `level` up to `stream` (standard output if None).

    `auto` writes columns to a terminal and JSON to anything else. Events of an app that uses
    structlog as it finds it go the same way. Call it once, before the first event: the app's
    loggers keep the configuration that they found when they were first used.
    """
    target = Output(_STDOUT) if stream is None else stream
    on_terminal = target.isatty()
    lines = LineWriter(target)
    as_json = format == "json" or (format == "auto" and not on_terminal)
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        *([_render_json] if as_json else _columns(coloured=on_terminal)),
    ]
    logger = _with_any_arguments(structlog.make_filtering_bound_logger(level))
    wrapper = _with_short_way(logger, level, processors) if as_json else logger
    log.service = structlog.wrap_logger(
        lines, processors=[*processors], wrapper_class=wrapper, context_class=dict
    ).bind()
    structlog.configure(
        processors=processors,
        wrapper_class=wrapper,
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    _listen_to_libraries(level)
    global _current, _lines, _output  # as global as what structlog and logging have just been told
    output = target if isinstance(target, Output) else None
    _current, _lines, _output = (format, level), None if on_terminal else lines, output


def current() -> tuple[LogFormat, LogLevel] | None:
    """Return what `configure` was last called with, for a process that shall log alike."""
    return _current


def buffered() -> AbstractContextManager[None]:
    """Until this is left, let what is below `warning` wait for a moment and be written in batches.

    For a process that logs much. A terminal sees each line at once, also then. When this is left,
    everything has been written, and from then on each line is at once.
    """
    return contextlib.nullcontext() if _lines is None else _lines.buffered()


def stop_waiting() -> None:
    """Lose lines from now on rather than wait for a reader that takes none. For signal handlers."""
    if _output is not None:
        _output.stop_waiting()


# --- the short way -------------------------------------------------------------------------------


def _with_short_way(
    usual: type[FilteringBoundLogger], level: LogLevel, processors: list[Processor]
) -> type[FilteringBoundLogger]:
    """Return `usual` with a short way to the same line of JSON for what is frequent.

    Two such lines are in the life of each task, and the way through `processors` costs twice as
    much. The short one is for what they would only put in order: plain values under names that mean
    nothing to them, and a context that adds nothing. All else goes the usual way.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    frequent = {
        name: _short_way(name, getattr(usual, name), [*processors])
        for number, name in ((logging.DEBUG, "debug"), (logging.INFO, "info"))
        if number >= least
    }
    return type("Logger", (usual,), frequent)


def _short_way(
    level: str, usual: Callable[..., Any], processors: list[Processor]
) -> Callable[..., Any]:
    def method(self: Any, event: str, *args: object, **fields: Any) -> Any:
        said = {**self._context, **fields} if self._context else fields
        if (
            type(event) is str
            and not args  # to be put into the text
            and _PLAIN_ALREADY.issuperset(map(type, said.values()))
            and _RESERVED.isdisjoint(said)
            and (_foreign.issuperset(copy_context()) or _nothing_is_bound())
            and self._processors == processors  # a test may have put its own among them
        ):
            now = _now(dt.UTC)
            try:
                line = _encode({"time": now, "level": level, "event": event, **said}).decode()
            except _NOT_FOR_MSGSPEC:
                pass
            else:
                return getattr(self._logger, level)(line)
        return usual(self, event, *args, **fields)

    return method


def _nothing_is_bound() -> bool:
    """Return whether the context adds nothing to a line, and learn which of it never will."""
    prefix = structlog.contextvars.STRUCTLOG_KEY_PREFIX
    _foreign.update(each for each in copy_context() if not each.name.startswith(prefix))
    return not structlog.contextvars.get_contextvars()


def _with_any_arguments(usual: type[FilteringBoundLogger]) -> type[FilteringBoundLogger]:
    """Return `usual` with methods that do not raise if the arguments do not fit the text."""
    names = ("debug", "info", "warning", "warn", "error", "critical", "fatal", "exception")
    tolerant = {
        name: _filling_in(getattr(usual, name))
        for each in names
        for name in (each, f"a{each}")  # also the methods to be awaited
    }
    return type("Logger", (usual,), tolerant)


def _filling_in(usual: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, event: Any, *args: object, **fields: Any) -> Any:
        return usual(self, _filled(event, args) if args else event, **fields)

    return method


def _filled(event: Any, args: tuple[object, ...]) -> Any:
    """Put `args` into the text; a mapping by its keys, as `logging` does."""
    try:
        by_key = len(args) == 1 and isinstance(args[0], Mapping) and args[0]
        return event % (by_key or args)
    except BaseException:  # noqa: BLE001 - a log call must not fail its caller
        return f"{rendering.text(event)} {rendering.shown(args, most=1000)}"


# --- rendering -----------------------------------------------------------------------------------


def _render_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    if "exc_info" in event:
        event = _render_exception(logger, method, event)
    if not _PLAIN_ALREADY.issuperset(map(type, event.values())):
        event = _plain_values(logger, method, event)
    ordered = {**_FIRST, **event, "time": _now(dt.UTC)}
    try:
        return _encode(ordered).decode()
    except _NOT_FOR_MSGSPEC:
        said = _plain_values(logger, method, event)
        return json.dumps({**_FIRST, **said, "time": msgspec.to_builtins(ordered["time"])})


def _render_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put the traceback of `exc_info` in its place, or what could be rendered of it."""
    error = _exception_in(event.pop("exc_info", None))
    if error is not None:
        traceback = rendering.error_traceback(error, rendering.frames_of(error))
        event["exception"] = traceback.removesuffix("\n")
    return event


def _exception_in(exc_info: Any) -> BaseException | None:
    """Return the exception that `exc_info` is, holds, or asks for."""
    if issubclass(type(exc_info), BaseException):
        error: BaseException = exc_info
        return error
    if type(exc_info) is tuple:
        return next((each for each in exc_info if issubclass(type(each), BaseException)), None)
    try:
        return sys.exception() if exc_info else None
    except BaseException:  # noqa: BLE001 - its `__bool__` may raise anything
        return None


def _columns(*, coloured: bool) -> list[Processor]:
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _render_exception,
        _plain_values,
        structlog.dev.ConsoleRenderer(
            colors=coloured,
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
            sort_keys=False,
        ),
    ]


def _plain_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: plain(value) for key, value in event.items()}


def plain(value: object) -> Any:
    """Return `value` as JSON can say it; never raises.

    Structs and dataclasses become objects, enums their values, exceptions `Type: text`, bytes text;
    a path, a UUID and whatever else there is, its `str`.
    """
    if type(value) in _PLAIN_ALREADY and type(value) is not int:
        return value
    try:
        return _plain(value, depth=0)
    except BaseException:  # noqa: BLE001  a foreign `__str__` may raise anything
        return f"<{rendering.type_name(value)} that cannot be shown>"


def _plain(value: object, *, depth: int) -> Any:
    match value:
        case Enum():
            return _plain(value.value, depth=depth)
        case str():
            return str(value)
        case None | bool():
            return value
        case float():
            return float(value) if math.isfinite(value) else str(value)
        case int():
            bits = int.bit_length(value)
            return int(value) if bits <= _MOST_BITS else f"<an integer of {bits:,} bits>"
        case bytes() | bytearray() | memoryview() | msgspec.Raw():
            return bytes(value).decode("utf-8", "backslashreplace")
        case BaseException():
            return f"{type(value).__qualname__}: {value}"
        case dt.date():
            return value.isoformat()
        case _:
            return _plain_whole(value, depth=depth + 1)


def _plain_whole(value: object, *, depth: int) -> Any:
    """Return a value that has parts; none below `_DEEPEST` levels: that is a cycle."""
    if depth > _DEEPEST:
        return "…"
    match value:
        case Mapping():
            return _plain_fields(value.items(), depth=depth)
        case list() | tuple() | set() | frozenset():
            return [_plain(part, depth=depth) for part in value]
        case msgspec.Struct():
            names: Iterable[str] = value.__struct_fields__
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = (field.name for field in dataclasses.fields(value))
        case _:
            return str(value)
    return _plain_fields(((name, getattr(value, name)) for name in names), depth=depth)


def _plain_fields(items: Iterable[tuple[object, object]], *, depth: int) -> dict[str, Any]:
    return {str(key): _plain(value, depth=depth) for key, value in items}


# --- libraries -----------------------------------------------------------------------------------


def _listen_to_libraries(level: LogLevel) -> None:
    least = max(_LEAST_OF_LIBRARIES, logging.getLevelNamesMapping()[level.upper()])
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _FromLibraries)]:
        root.removeHandler(handler)
    root.addHandler(_FromLibraries(least))
    root.setLevel(least)
    # asyncio logs each new loop, at a level for debugging. If an app lowers the level of the root
    # logger, what it has put into `logging` may raise there, and no consumer could start.
    logging.getLogger("asyncio").setLevel(logging.WARNING)


class _FromLibraries(logging.Handler):
    """Passes what arrives through `logging` on as an event, its text for a name."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001  arguments that do not fit the text: `logging`'s own contract
            self.handleError(record)
            return
        log.log(_standard(record.levelno), text, logger=record.name, exc_info=record.exc_info)


def _standard(level: int) -> int:
    """Return the standard level at or below `level`; structlog knows no other."""
    return min(level, logging.CRITICAL) // 10 * 10
