"""What the routes need behind them. The gateway actor is it; a test may be it too."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from taskqueue.rules.health import QueueState, Readiness
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import Accepted, CancelResult, NewTask, Status, Task, TaskHistory
from taskqueue.supervision import Node

ROOT = "root"
"""The path of the whole tree."""


class Service(Protocol):
    """The queue as HTTP sees it.

    Every call may raise `StorageUnavailable`, `ActorUnavailable` or `AskTimeout`: a part is not
    there right now and will be back, which is a 503 with `Retry-After`.
    """

    def prepare(self, action: str, data: bytes, options: Options) -> NewTask:
        """Check data (JSON text) against the action's handler and make a task of it.

        Raises:
            UnknownAction, InvalidTask, TaskTooLarge: it cannot be accepted.
        """
        ...

    def require_writable(self) -> None:
        """Refuse at once what could not be stored now, before its body is read.

        Raises:
            StorageUnavailable: nothing can be written now; `reason` says why.
        """
        ...

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        """Accept tasks, in one commit; durable when this returns. Answers in the order given.

        A task whose unique key is known is not accepted again: the answer says whether it was
        asked for alike, or is a conflict, and names the task that has the key.
        """
        ...

    async def find(
        self,
        *,
        status: Status | None,
        action: str | None,
        queue: str | None,
        before: str | None,
        limit: int,
        max_bytes: int,
        brief: bool,
    ) -> tuple[Task, ...]:
        """Return the tasks that match, newest first, with ids less than `before`.

        The last is the one with which they exceed `max_bytes`. In a `brief` answer payload, result
        and progress are left out.
        """
        ...

    async def get(self, task_id: str) -> TaskHistory | None:
        """Return a task with its attempts, None if there is none."""
        ...

    async def counts(self) -> Mapping[Status, int]:
        """Return how many tasks stand where."""
        ...

    async def cancel(self, task_id: str, *, reason: str) -> CancelResult:
        """End a task that nobody holds, or ask its holder to end it. Durable when this returns."""
        ...

    async def redrive(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        """Queue dead tasks again; return those that were dead."""
        ...

    async def redrive_dead(self, *, action: str | None, queue: str | None) -> int:
        """Queue all dead tasks that match again; return how many there were.

        If it raises, some may have been queued; it is safe to repeat.
        """
        ...

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete those of these tasks that have ended, with their history; return which."""
        ...

    async def delete_dead(self, *, action: str | None, queue: str | None) -> int:
        """Delete all dead tasks that match, with their history; return how many there were.

        If it raises, some may have been deleted; it is safe to repeat.
        """
        ...

    async def queues(self) -> tuple[QueueState, ...]:
        """Return the queues that are served, paused or not."""
        ...

    async def pause(self, queue: str) -> None:
        """Hand out nothing more of this queue, also after a restart; what runs goes on."""
        ...

    async def resume(self, queue: str) -> None:
        """Hand out tasks of this queue again. Harmless when it was not paused."""
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
        """Have so many consumers from now on; those too many drain first, without our waiting.

        Raises:
            TooManyConsumers: this process may not have so many files open.
        """
        ...
