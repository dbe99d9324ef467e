"""Loggers: what a log call does before the processors see its event."""

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from taskqueue.foreign import rendering
from taskqueue.logs.plain import PLAIN_ALREADY
from taskqueue.logs.rendering import FIRST, NOT_FOR_MSGSPEC, encode, now
from taskqueue.settings.model import LogLevel

_RESERVED = frozenset({*FIRST, "exc_info"})
# Context variables that were seen and are not structlog's; each is made once, so they are few.
_foreign: set[ContextVar[Any]] = set()


def with_short_way(
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
            and PLAIN_ALREADY.issuperset(map(type, said.values()))
            and _RESERVED.isdisjoint(said)
            and (_foreign.issuperset(copy_context()) or _nothing_is_bound())
            and self._processors == processors  # a test may have put its own among them
        ):
            at = now(dt.UTC)
            try:
                line = encode({"time": at, "level": level, "event": event, **said}).decode()
            except NOT_FOR_MSGSPEC:
                pass
            else:
                return self._logger.info(line)  # to a `LineWriter`, `debug` is the same
        return usual(self, event, *args, **fields)

    return method


def _nothing_is_bound() -> bool:
    """Return whether the context adds nothing to a line, and learn which of it never will."""
    prefix = structlog.contextvars.STRUCTLOG_KEY_PREFIX
    _foreign.update(each for each in copy_context() if not each.name.startswith(prefix))
    return not structlog.contextvars.get_contextvars()


def with_any_arguments(usual: type[FilteringBoundLogger]) -> type[FilteringBoundLogger]:
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
