"""The logger of the service: what its events and `ctx.log` are written to.

A service sends its lines where `logs.configure` says, whatever an app does to structlog's global
configuration, which belongs to the app. Where nothing is configured, taskqueue is a library in
another program, and logs the way that program has configured structlog.
"""

from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

_program: FilteringBoundLogger = structlog.get_logger()


class Logger:
    """Stands for the logger that is configured when it is used."""

    def __init__(self) -> None:
        self.service: FilteringBoundLogger | None = None
        """What `logs.configure` has made; None: structlog's global configuration counts."""

    def bind(self, **fields: Any) -> FilteringBoundLogger:
        """Return a logger whose lines carry these fields."""
        logger = _program.bind() if self.service is None else self.service
        return logger.bind(**fields) if fields else logger

    def __getattr__(self, name: str) -> Any:
        """Return a method of the logger."""
        return getattr(self.bind(), name)


log = Logger()
