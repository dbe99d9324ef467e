"""What an app has around its handlers."""

from typing import TypeVar

from taskqueue.api.hooks import H, Hooks, Moment
from taskqueue.api.middleware import M, Middleware, require_middleware
from taskqueue.api.resources import OpenResources, require_resources
from taskqueue.errors import ConfigError, Fault

T = TypeVar("T")


class Surroundings:
    """Registers what is around all handlers of an app: `App` without its actions."""

    def __init__(self) -> None:
        """Begin with nothing around the handlers."""
        super().__init__()
        self.open_resources: OpenResources[object] | None = None
        self.middlewares: list[Middleware] = []
        self.hooks = Hooks()

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

    def middleware(self, middleware: M) -> M:
        """Register an `async def` around every attempt; the first one is the outermost.

            @app.middleware
            async def timed(ctx: Context, call_next: CallNext) -> object:
                began = time.monotonic()
                try:
                    return await call_next()
                finally:
                    ctx.log.info("handled", seconds=time.monotonic() - began)

        What it returns is the result of the attempt, and what it raises fails the attempt, as if
        the handler had done so. It counts towards the time limit. It runs on the consumer's loop,
        and around a handler with `executor="process"` in that process.

        Raises:
            ConfigError: it is no `async def`, or does not take `ctx` and `call_next`.
        """
        require_middleware(middleware)
        self.middlewares.append(middleware)
        return middleware

    def on_started(self, hook: H) -> H:
        """Call an `async def` aside with the `TaskEvent` of each attempt that begins.

        A hook runs on a thread of its own. It neither fails a task nor delays one; a call is
        dropped when a thousand wait, and cancelled after 5 s. See `docs/handlers.md`.

        Raises:
            ConfigError: it is no `async def`.
        """
        return self.hooks.register(Moment.STARTED, hook)

    def on_succeeded(self, hook: H) -> H:
        """Call it with each task that has completed; see `on_started`."""
        return self.hooks.register(Moment.SUCCEEDED, hook)

    def on_failed(self, hook: H) -> H:
        """Call it with each attempt that has failed, also the last of a task; see `on_started`."""
        return self.hooks.register(Moment.FAILED, hook)

    def on_dead(self, hook: H) -> H:
        """Call it with each task that is dead; see `on_started`."""
        return self.hooks.register(Moment.DEAD, hook)
