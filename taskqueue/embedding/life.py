"""One life of the service of an application, in whatever process it runs."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias


class Life(Protocol):
    """A service that accepts tasks at `url`."""

    @property
    def url(self) -> str:
        """Where it listens."""
        ...

    async def ended(self) -> str:
        """Wait until it has ended by itself; return how."""
        ...

    async def stop(self) -> None:
        """Have it drain, and wait for its end. A cancellation meanwhile cuts the drain."""
        ...


Begin: TypeAlias = Callable[[int], Awaitable[Life]]
"""Starts a service on a port; raises `ServiceNotStarted` or `ConfigError`."""
