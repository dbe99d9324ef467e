"""The logger of the service: what its events and `ctx.log` are written to.

    service    `logs.configure` has been called      lines in its form, whatever an app configures
    structlog  the program has configured structlog  as the program configured it
    logging    otherwise                             the logger "taskqueue" of the standard library

A service sends its lines where `logs.configure` says: structlog's global configuration belongs to
the app. Where nothing is configured, taskqueue is a library in another program, and libraries log
through `logging`.
"""

import logging
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from taskqueue.foreign import rendering

_program: FilteringBoundLogger = structlog.get_logger()


class Logger:
    """Stands for the logger that is configured when it is used."""

    def __init__(self) -> None:
        self.service: FilteringBoundLogger | None = None
        """What `logs.configure` has made; None: the program around decides."""

    def bind(self, **fields: Any) -> FilteringBoundLogger:
        """Return a logger whose lines carry these fields."""
        logger = self.service or (_program.bind() if structlog.is_configured() else _standard)
        return logger.bind(**fields) if fields else logger

    def __getattr__(self, name: str) -> Any:
        """Return a method of the logger."""
        return getattr(self.bind(), name)


def _as_record(_: WrappedLogger, __: str, event: EventDict) -> tuple[tuple[str], dict[str, Any]]:
    """Return the arguments for `logging`: the event and its fields as text, and as attributes."""
    exc_info, name = event.pop("exc_info", None), rendering.text(event.pop("event", ""))
    del event["level"]
    fields = [f"{key}={rendering.shown(value, most=_LONGEST)}" for key, value in event.items()]
    extra = {"event": name, "fields": event}
    return (" ".join([name, *fields]),), {"exc_info": exc_info, "extra": extra}


_LONGEST = 1_000  # characters of a field
_library = logging.getLogger("taskqueue")
_usual = structlog.make_filtering_bound_logger(logging.NOTSET)
_enabled = {"is_enabled_for": lambda _, level: _library.isEnabledFor(level)}
standard_processors: list[Processor] = [
    structlog.stdlib.filter_by_level,  # first: most lines of a quiet program end here
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    _as_record,
]
_standard: FilteringBoundLogger = structlog.wrap_logger(
    _library,
    processors=standard_processors,
    wrapper_class=type("Logger", (_usual,), _enabled),
    context_class=dict,
).bind()
log = Logger()
