"""Hooks: code of the app that learns what became of its tasks, aside."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias, TypeVar

from taskqueue.api.middleware import is_async
from taskqueue.clock import SystemClock
from taskqueue.errors import ConfigError, Fault
from taskqueue.events import Buffer
from taskqueue.rules.measures import HookMeasures
from taskqueue.rules.tasks import (
    Complete,
    DeadLetter,
    Requeue,
    Settled,
    Settlement,
    Task,
)
from taskqueue.throttle import ThrottledLog

MOST_WAITING = 1_000
"""How many calls of hooks wait; then the oldest are dropped."""


class Moment(StrEnum):
    """When a hook is called."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """What a hook is told.

    Attributes:
        task: as it was while the attempt was made.
        result: JSON text, if the attempt has succeeded.
        error: one line, if it has failed; for a dead task, why it is dead.
        traceback: of the handler's exception, if there was one.
    """

    task: Task
    result: str | None = None
    error: str | None = None
    traceback: str | None = None


Hook: TypeAlias = Callable[[TaskEvent], Awaitable[object]]

H = TypeVar("H", bound=Hook)


class HookCall(NamedTuple):
    """A hook to be called with what has happened."""

    hook: Hook
    event: TaskEvent


class Hooks:
    """The hooks of an app, and their calls that wait. Any thread adds, one takes."""

    def __init__(self) -> None:
        """Begin without hooks."""
        self.measures = HookMeasures()
        self.calls: Buffer[HookCall] = Buffer(MOST_WAITING)
        self._hooks: dict[Moment, list[Hook]] = {moment: [] for moment in Moment}
        self._is_used = False
        self._drops = ThrottledLog("hooks_dropped", SystemClock())

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return self._is_used

    def register(self, moment: Moment, hook: H) -> H:
        """Have a hook called at these moments.

        Raises:
            ConfigError: it is no `async def`.
        """
        if not is_async(hook):
            raise ConfigError((Fault(f"on_{moment}", "must be an `async def`"),))
        self._hooks[moment].append(hook)
        self._is_used = True
        return hook

    def started(self, task: Task) -> None:
        """A handler is about to begin."""
        if not self._is_used:
            return
        for hook in self._hooks[Moment.STARTED]:
            self._add(HookCall(hook, TaskEvent(task=task)))

    def settled(self, task: Task, settlement: Settlement, written: Settled) -> None:
        """What became of an attempt has been written, or could not be."""
        if not self._is_used or written is Settled.LEASE_LOST or written is Settled.CANCELLED:
            return
        for moment, event in _events_of(task, settlement):
            for hook in self._hooks[moment]:
                self._add(HookCall(hook, event))

    def _add(self, call: HookCall) -> None:
        with suppress(RuntimeError):  # the loop of the reader is closed; it will have a successor
            self.calls(call)
        if self.calls.dropped > self.measures.dropped:
            self.measures.dropped = self.calls.dropped
            self._drops.warning(dropped=self.measures.dropped)


def _events_of(task: Task, settlement: Settlement) -> tuple[tuple[Moment, TaskEvent], ...]:
    match settlement:
        case Complete(result=result):
            return ((Moment.SUCCEEDED, TaskEvent(task=task, result=result)),)
        case Requeue(error=error, traceback=traceback):
            return ((Moment.FAILED, TaskEvent(task=task, error=error, traceback=traceback)),)
        case DeadLetter(reason=reason, error=error, traceback=traceback):
            return (
                (Moment.FAILED, TaskEvent(task=task, error=error, traceback=traceback)),
                (Moment.DEAD, TaskEvent(task=task, error=reason, traceback=traceback)),
            )
        case _:  # the attempt was returned, or the task is cancelled
            return ()
