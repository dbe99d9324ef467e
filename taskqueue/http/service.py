"""What the routes need behind them. The gateway actor is it; a test may be it too."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from taskqueue.health import Readiness
from taskqueue.supervision import Node
from taskqueue.tasks import NewTask, Status, Task, TaskHistory

ROOT = "root"
"""The path of the whole tree."""


class Service(Protocol):
    """The queue as HTTP sees it.

    Every call may raise `StorageUnavailable`, `ActorUnavailable` or `AskTimeout`: a part is not
    there right now and will be back, which is a 503 with `Retry-After`.
    """

    def prepare(self, action: str, data: bytes, options: Mapping[str, object]) -> NewTask:
        """Check data (JSON text) against the action's handler and make a task of it.

        Raises:
            UnknownAction, InvalidTask, TaskTooLarge: it cannot be accepted.
        """
        ...

    async def enqueue(self, tasks: Sequence[NewTask]) -> None:
        """Accept tasks; durable when this returns."""
        ...

    async def find(
        self, *, status: Status | None, before: str | None, limit: int
    ) -> tuple[Task, ...]:
        """Return tasks, newest first, with ids less than `before`."""
        ...

    async def get(self, task_id: str) -> TaskHistory | None:
        """Return a task with its attempts, None if there is none."""
        ...

    async def counts(self) -> Mapping[Status, int]:
        """Return how many tasks stand where."""
        ...

    async def redrive(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        """Queue dead tasks again; return those that were dead."""
        ...

    async def readiness(self) -> Readiness:
        """Tell whether tasks can be accepted and stored now. Never raises."""
        ...

    async def tree(self) -> Node:
        """Return the supervision tree as it stands."""
        ...

    async def kill(self, path: str) -> bool:
        """Kill the actor at `path` of the tree; False if nobody runs there."""
        ...

    async def resize(self, consumers: int) -> None:
        """Have so many consumers from now on; those too many drain first, without our waiting."""
        ...
