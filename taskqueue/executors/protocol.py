"""What an executor must do: run one handler once, and say what came of it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from taskqueue.api.context import Context
from taskqueue.api.handler import Handler
from taskqueue.executors.lines import Frames
from taskqueue.foreign import rendering
from taskqueue.rules.running import HandlerStack
from taskqueue.rules.tasks import Outcome


class ConsumerCrash(Exception):
    """The handler raised what no consumer survives: `SystemExit`, `KeyboardInterrupt`, …

    asyncio lets such a `cause` out of its loop at once, past everything else that runs there.
    Wrapped in this it reaches the caller of the executor, and can end only that consumer. Raised
    by a handler, it crashes its consumer on command.
    """

    def __init__(self, cause: BaseException | None = None) -> None:
        self.cause = cause
        why = "" if cause is None else f": {rendering.shown(cause, most=500)}"
        super().__init__("handler crashed its consumer" + why)


class Executor(Protocol):
    """A place where handlers run."""

    async def run(self, handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> Outcome:
        """Call the handler and return what came of it.

        An `Exception` of the handler is an outcome. A cancellation of the caller is passed on to
        the handler and raised when it has ended; a handler that returns a value or raises a verdict
        all the same has its way, and the caller finds the request in its task's `cancelling()`.
        How long that may take is for the caller to limit.

        Raises:
            ConsumerCrash: the handler raised what is not an `Exception`.
            CancelledError: the caller was cancelled, and with it the handler.
        """
        ...

    def locate(self, task_id: str, frames: Frames, tell: Callable[[HandlerStack], None]) -> None:
        """Call `tell` with the stack of the handler of a task; it is empty if none runs.

        From any thread, and runs no code of the user. Where that has to be asked for, `tell` is
        called later on another thread, or never.
        """
        ...

    def resize(self, slots: int) -> None:
        """Prepare for up to so many handlers at a time. Those that run go on.

        More may run until as many have ended as there are too many.
        """
        ...

    def close(self) -> None:
        """Release threads and processes, without waiting for them; harmless when repeated."""
        ...
