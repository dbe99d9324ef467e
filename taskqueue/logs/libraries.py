"""Libraries: what they report through `logging` becomes a line like any other."""

import logging

from taskqueue import attempt_log
from taskqueue.foreign import rendering
from taskqueue.logger import log
from taskqueue.settings.model import LogLevel

# Their warnings matter here, their chatter does not.
_LEAST = logging.WARNING


def listen_to_libraries(level: LogLevel) -> None:
    """Log what libraries report from `level` up, but for what is below a warning."""
    least = max(_LEAST, logging.getLevelNamesMapping()[level.upper()])
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
        level, exc_info = _standard(record.levelno), record.exc_info
        log.log(level, text, logger=record.name, exc_info=exc_info)
        if (keeps := attempt_log.current.get()) is not None:
            name, error = logging.getLevelName(level).lower(), rendering.exception_in(exc_info)
            attempt_log.keep(keeps, name, text, {"logger": record.name}, error)


def _standard(level: int) -> int:
    """Return the standard level at or below `level`; structlog knows no other."""
    return min(level, logging.CRITICAL) // 10 * 10
