"""Charges the limits for what handlers have spent: what comes meanwhile is one charge more."""

from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from taskqueue.actors.messages import Charge
from taskqueue.actors.storage_client import UNREACHABLE
from taskqueue.clock import Clock
from taskqueue.rules.limits import LimitUse
from taskqueue.runtime import Address, ask
from taskqueue.throttle import ThrottledLog


class Charges:
    """What the attempts of a consumer have spent, on its loop."""

    def __init__(
        self,
        queue: Address,
        clock: Clock,
        start_task: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """Begin with none; `start_task` runs a coroutine as part of the consumer."""
        self._queue = queue
        self._start_task = start_task
        self._spent: defaultdict[tuple[str, str | None], float] = defaultdict(float)
        self._writing = False
        self._lost = ThrottledLog("cost_not_charged", clock)

    def add(self, use: LimitUse) -> None:
        """Have the cost of `use` charged."""
        self._spent[use.name, use.key] += use.cost
        if not self._writing:
            self._writing = True
            self._start_task(self._write())

    async def _write(self) -> None:
        while self._spent:
            (name, key), cost = self._spent.popitem()
            try:
                if not await ask(self._queue, Charge(use=LimitUse(name, key, cost))):
                    self._lost.warning(limit=name, reason="there is no limit of this name")
            except UNREACHABLE as error:
                self._lost.warning(limit=name, reason=str(error))
        self._writing = False
