"""Charges limits for what handlers have spent."""

from collections.abc import Callable, Coroutine
from typing import Any

from taskqueue.actors.messages import Charge
from taskqueue.actors.storage_client import UNREACHABLE
from taskqueue.clock import Clock
from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.rules.limits import LimitUse
from taskqueue.runtime import DEFAULT_ASK_TIMEOUT_S, Address, Reply, request
from taskqueue.throttle import ThrottledLog


class Charges:
    """Charges by the attempts of a consumer, on its loop."""

    def __init__(
        self,
        queue: Address,
        clock: Clock,
        start_task: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """Make one; `start_task` runs a coroutine as part of the consumer."""
        self._queue = queue
        self._start_task = start_task
        self._lost = ThrottledLog("cost_not_charged", clock)

    def add(self, use: LimitUse) -> None:
        """Send the charge at once, so that it survives the end of this consumer."""
        try:
            charged = request(self._queue, Charge(use=use))
        except ActorUnavailable as error:
            self._lost.warning(limit=use.name, reason=str(error))
        else:
            self._start_task(self._tell_loss(use, charged))

    async def _tell_loss(self, use: LimitUse, charged: Reply[bool]) -> None:
        try:
            is_there = await charged.within(DEFAULT_ASK_TIMEOUT_S, self._timeout)
        except UNREACHABLE as error:
            self._lost.warning(limit=use.name, reason=str(error))
        else:
            if not is_there:
                self._lost.warning(limit=use.name, reason="there is no limit of this name")

    def _timeout(self) -> AskTimeout:
        return AskTimeout(str(self._queue), DEFAULT_ASK_TIMEOUT_S)
