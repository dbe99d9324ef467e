"""A service that an application has started, in its own process or in a child."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias


class RunningService(Protocol):
    """A service that accepts tasks at `url`."""

    @property
    def url(self) -> str:
        """Where it listens."""
        ...

    async def ended(self) -> str:
        """Wait until it has ended by itself; return the reason."""
        ...

    async def stop(self) -> None:
        """Drain it and wait for its end. A cancellation cuts the drain short."""
        ...


StartService: TypeAlias = Callable[[int], Awaitable[RunningService]]
"""Starts a service on a port; raises `ServiceNotStarted` or `ConfigError`."""
