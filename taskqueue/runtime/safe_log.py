"""A log that never raises: an end is told, and a supervisor goes on, whatever a log call does."""

import contextlib
import sys

from taskqueue.foreign import rendering
from taskqueue.logger import log as log_of_the_service


class SafeLog:
    """The service's logger for places where nothing may go wrong.

    What is logged there comes from user code: an exception whose text or notes raise, a processor
    of the app. If the event cannot be written as it is, it is written as plain text.
    """

    def debug(self, event: str, **fields: object) -> None:
        """Log at this level."""
        self._write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Log at this level."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log at this level."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log at this level."""
        self._write("error", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """Log an error, with the exception that is being handled."""
        self._write("error", event, {**fields, "exc_info": sys.exc_info()[1]})

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        try:
            getattr(log_of_the_service, level)(event, **fields)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            self._write_plainly(level, event, fields, error)

    def _write_plainly(
        self, level: str, event: str, fields: dict[str, object], error: BaseException
    ) -> None:
        plain = {
            name: rendering.text(value) for name, value in fields.items() if name != "exc_info"
        }
        plain["log_error"] = rendering.type_name(error)
        try:
            getattr(log_of_the_service, level)(event, **plain)
        except BaseException:  # noqa: BLE001 - the log itself is broken
            with contextlib.suppress(Exception):
                print(f"{level} {event} {plain}", file=sys.stderr)  # noqa: T201 - no log is left


log = SafeLog()
