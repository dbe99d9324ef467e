"""The lease driver: feeds events to the lease ledger, and carries out its actions."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeAlias, assert_never

from taskqueue.actors.messages import CancelAttempt, HandlerCrash, Work
from taskqueue.actors.queue.completer import Completer
from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.queue.fetch_schedule import FetchSchedule
from taskqueue.foreign import rendering
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.leases.values import (
    Action,
    Actions,
    CancelRunning,
    ConsumerEnd,
    Finished,
    NothingRuns,
    Search,
    Settle,
    Wake,
)
from taskqueue.runtime import KILLED, ActorRef, Crash, ExitReason, is_orderly, tell

P = ParamSpec("P")

Writing: TypeAlias = list["asyncio.Task[None]"]
"""Tasks that end when settlements are written."""


class LeaseDriver:
    """Connects the pure ledger to the actors and the storage."""

    def __init__(
        self, dispatch: DispatchBuffer[ActorRef], completer: Completer, schedule: FetchSchedule
    ) -> None:
        """Make a driver of the ledger in `dispatch`."""
        self.nothing_runs = asyncio.Event()
        """Set once the ledger is shut and no consumer runs anything."""
        self._dispatch = dispatch
        self._completer = completer
        self._schedule = schedule

    def feed(
        self,
        event: Callable[Concatenate[Leases[ActorRef], P], Actions[ActorRef]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Writing:
        """Feed an event; return the tasks that write the settlements that follow from it."""
        with self._dispatch as leases:
            actions = event(leases, *args, **kwargs)
        return [each for action in actions for each in self._obey(action)]

    def finished(
        self, consumer: ActorRef, finished: Sequence[Finished], then: Callable[[], object]
    ) -> None:
        """Take the outcomes that a consumer reports; call `then` once they are written."""
        with self._dispatch as leases:
            actions = leases.finished(consumer, finished)
        for action in actions:
            self._obey(action, then)

    def gone(self, consumer: ActorRef, reason: ExitReason) -> None:
        """Settle the attempts of a consumer that has ended."""
        cause = reason.cause if isinstance(reason, Crash) else None
        with self._dispatch as leases:
            end = ConsumerEnd(
                consumer=str(consumer),
                reason=rendering.text(reason),
                ordered=is_orderly(reason) or (leases.is_shut and reason == KILLED),
                culprit=cause.token if isinstance(cause, HandlerCrash) else None,
            )
        self.feed(Leases.gone, consumer, end)

    def _obey(self, action: Action[ActorRef], then: Callable[[], object] | None = None) -> Writing:
        match action:
            case Settle(finished=finished, rescue=why):
                return [self._completer.settle(finished, then, rescue=why)]
            case Wake(consumer=consumer):
                tell(consumer, Work(dispatch=self._dispatch))
            case CancelRunning(consumer=consumer, token=token, reason=reason):
                tell(consumer, CancelAttempt(token=token, reason=reason))
            case Search():
                self._schedule.search_soon()
            case NothingRuns():
                self.nothing_runs.set()
            case never:
                assert_never(never)
        return []
