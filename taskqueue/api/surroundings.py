"""What an app has around its handlers."""

from typing import TypeVar

from taskqueue.api.resources import OpenResources, require_resources
from taskqueue.errors import ConfigError, Fault

T = TypeVar("T")


class Surroundings:
    """Registers what is around all handlers of an app: `App` without its actions."""

    def __init__(self) -> None:
        """Begin with nothing around the handlers."""
        self.open_resources: OpenResources[object] | None = None

    def resources(self, function: OpenResources[T]) -> OpenResources[T]:
        """Register the async context manager whose value is `ctx.resources`.

            @app.resources
            @asynccontextmanager
            async def resources() -> AsyncIterator[Pool]:
                async with open_pool() as pool:
                    yield pool

        It is entered once per consumer, on its loop, for all handlers on the loop and in threads,
        and once per worker process. It is left when the consumer or the process ends, however that
        comes about, except by a kill of the process. See `docs/handlers.md`.

        Raises:
            ConfigError: there are resources already, or this makes no context manager.
        """
        if self.open_resources is not None:
            raise ConfigError((Fault("resources", "are registered already"),))
        require_resources(function)
        self.open_resources = function
        return function
