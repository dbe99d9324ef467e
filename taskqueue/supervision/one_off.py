"""One-off tasks: coroutines that run as children of a supervisor, and end with it.

    await system.spawn(DynamicSupervisor, "lookups")
    looking_up = await start_one_off(system.address("lookups"), lambda: resolve("example.org"))
    address = await looking_up.result

A bare asyncio task has no owner: it may outlive its caller, and its crash is only a line on
standard error. Source: Elixir `Task.Supervisor.async_nolink/2`.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import NORMAL, Actor, ActorRef, Exit, Reply, Target
from taskqueue.supervision.calls import start_child
from taskqueue.supervision.specs import ChildSpec, Restart

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OneOff(Generic[T]):
    """A coroutine that runs under a supervisor."""

    ref: ActorRef
    """The actor that runs it, which can be killed or monitored like any other."""

    result: Reply[T]
    """To be awaited. Fails with `ActorUnavailable`, whose cause is the exit reason, if the
    coroutine raises or the actor is ended before it returns."""


async def start_one_off(
    supervisor: Target, work: Callable[[], Coroutine[Any, Any, T]], *, name: str = "task"
) -> OneOff[T]:
    """Run `work` once as a temporary child of a `DynamicSupervisor`: it is never restarted.

    Args:
        supervisor: its owner. When it stops, the coroutine is cancelled.
        work: called in the child; returns the coroutine.
        name: shown in reports.

    Raises:
        MaxChildren: the supervisor has as many children as it may have.
        ActorUnavailable: the supervisor does not run.
    """
    result: Reply[T] = Reply()
    start = partial(_Runner.start_link, name, work, result)
    child = await start_child(
        supervisor, ChildSpec(id=name, start=start, restart=Restart.TEMPORARY)
    )
    assert isinstance(child, ActorRef)  # noqa: S101 - `start_link` returns nothing else
    return OneOff(child, result)


class _Runner(Actor):
    """Runs one coroutine; ends when it does."""

    def __init__(
        self, name: str, work: Callable[[], Coroutine[Any, Any, Any]], result: Reply[Any]
    ) -> None:
        super().__init__()
        self.label = name
        self._work = work
        self._result = result

    def on_start(self) -> None:
        """Start the coroutine without waiting for it."""
        ended = self.ref.ended()
        ended.when_done(
            lambda: self._result.fail(ActorUnavailable(str(self.label), ended.result()))
        )
        self.start_task(self._run())

    async def _run(self) -> None:
        self._result.set(await self._work())
        raise Exit(NORMAL)
