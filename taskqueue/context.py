"""What a handler knows about the attempt it is making."""

from functools import cached_property
from typing import ParamSpec, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from taskqueue.tasks import NewTask, Task

P = ParamSpec("P")


class Preparable(Protocol[P]):
    """What can become a task: an action of an app."""

    def prepare(self, /, *args: P.args, **kwargs: P.kwargs) -> NewTask:
        """Return the task that calls the handler with these arguments."""
        ...


class Context:
    """One attempt at a task, as its handler sees it. Made by the consumer, or by a test."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._follow_ups: list[NewTask] = []

    @property
    def attempt(self) -> int:
        """The attempt being made: 1, 2, …"""
        return self.task.attempt

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at this task, and for no other task.

        Hand it to a service outside, so that an effect which is tried twice happens once.
        """
        return self.task.id

    @cached_property
    def log(self) -> FilteringBoundLogger:
        """A logger whose lines carry `task_id`, `action` and `attempt`."""
        logger: FilteringBoundLogger = structlog.get_logger()
        return logger.bind(task_id=self.task.id, action=self.task.action, attempt=self.attempt)

    def enqueue(self, action: Preparable[P], /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Accept a follow-up task together with the ack of this one; return its id.

        It exists if and only if this attempt completes the task: a handler that raises, is cut or
        times out leaves no follow-ups. Safe to call from any thread.

            ctx.enqueue(resize, url=url)
            ctx.enqueue(resize.with_options(delay_s=60), url=url)

        Raises:
            InvalidTask: the arguments do not fit the handler's signature.
            TaskTooLarge: they have more than 1 MiB as JSON.
        """
        task = action.prepare(*args, **kwargs)
        self._follow_ups.append(task)
        return task.id

    @property
    def follow_ups(self) -> tuple[NewTask, ...]:
        """What `enqueue` has gathered, in order."""
        return tuple(self._follow_ups)
