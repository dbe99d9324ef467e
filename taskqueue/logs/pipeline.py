"""Structured logs: one event, one line.

    {"time":"2026-11-22T08:00:00.000000Z","level":"info","event":"task_completed","task_id":"…"}

JSON for programs, coloured columns on a terminal. What libraries say through `logging` comes out in
the same form. A log call never raises, whatever it is given and wherever the lines go. What an app
does to the global state of `structlog` and `logging` changes its own lines and none of ours.
"""

import contextlib
import os
from contextlib import AbstractContextManager
from functools import partial

import structlog
from structlog.typing import Processor

from taskqueue.logger import log
from taskqueue.logs.libraries import listen_to_libraries
from taskqueue.logs.lines import LineWriter, Stream
from taskqueue.logs.loggers import with_any_arguments, with_short_way
from taskqueue.logs.output import Output
from taskqueue.logs.rendering import plain_values, render_exception, render_json
from taskqueue.logs.terminal import Columns
from taskqueue.settings.model import LogFormat, LogLevel

_STDOUT = 1
_current: tuple[LogFormat, LogLevel] | None = None
_lines: LineWriter | None = None
_output: Output | None = None


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
        *([render_json] if as_json else [render_exception, plain_values, _columns(target)]),
    ]
    logger = with_any_arguments(structlog.make_filtering_bound_logger(level))
    wrapper = with_short_way(logger, level, processors) if as_json else logger
    log.service = structlog.wrap_logger(
        lines, processors=[*processors], wrapper_class=wrapper, context_class=dict
    ).bind()
    structlog.configure(
        processors=processors,
        wrapper_class=wrapper,
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    listen_to_libraries(level)
    global _current, _lines, _output  # as global as structlog and logging are
    output = target if isinstance(target, Output) else None
    _current, _lines, _output = (format, level), None if on_terminal else lines, output


def _columns(stream: Stream) -> Columns:
    if not stream.isatty():
        return Columns(width=None, coloured=False)
    # See no-color.org: it counts if it is there and not empty.
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return Columns(width=partial(_width, stream), coloured=not plain)


def _width(stream: Stream) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):  # it has no descriptor, or is closed
        return 80


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
