"""The logger of an attempt: its lines go to the log, and are kept with the attempt."""

from collections.abc import Mapping

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from taskqueue.attempt_log import Keep, keep
from taskqueue.foreign import rendering

_LEVELS = {"exception": "error", "warn": "warning", "fatal": "critical"}


def attempt_logger(
    logger: FilteringBoundLogger, keeps: Keep, fields: Mapping[str, object]
) -> FilteringBoundLogger:
    """Return `logger` with these fields; each line that it lets through is kept without them.

    If the program has given structlog a wrapper class that is not made of structlog's own, its
    lines are not kept.
    """
    bound = logger.bind(**fields)
    if not isinstance(bound, structlog.BoundLoggerBase):
        return bound
    # structlog binds other fields to a logger that there is, but no other processors.
    processors = [_keeping(keeps, frozenset(fields)), *bound._processors]  # noqa: SLF001
    return type(bound)(bound._logger, processors, bound._context)  # noqa: SLF001


def _keeping(keeps: Keep, known: frozenset[str]) -> Processor:
    def processor(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        fields = {name: value for name, value in event.items() if name not in known}
        text, exc_info = fields.pop("event", ""), fields.pop("exc_info", None)
        level, error = _LEVELS.get(method, method), rendering.exception_in(exc_info)
        keep(keeps, level, text, fields, error)
        return event

    return processor
