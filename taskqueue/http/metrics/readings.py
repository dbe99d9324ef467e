"""Reads what a scrape shows beside the counters, without letting it wait for long.

Counting a million tasks takes the storage a fifth of a second, and a busy supervisor may answer
late. A scrape waits for a moment, and then shows what the scrape before has asked for.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from taskqueue.clock import Clock
from taskqueue.commands import (
    Ask,
    GetDepths,
    GetHeldBack,
    GetLimits,
    GetMeasures,
    GetNodes,
    GetOldestRunnable,
    GetQueues,
    GetSchedules,
    GetTree,
)
from taskqueue.http.problems import UNAVAILABLE
from taskqueue.rules.health import QueueState
from taskqueue.rules.holds import HeldBack
from taskqueue.rules.limits import LimitUsage
from taskqueue.rules.measures import Measures
from taskqueue.rules.nodes import ServiceNode
from taskqueue.rules.schedules.values import Schedule
from taskqueue.rules.tasks import Status
from taskqueue.runtime import Request
from taskqueue.supervision import Node

T = TypeVar("T")

WAIT_S = 0.1
"""How long a scrape waits for answers; after that those of an earlier one are shown."""


class Reading(NamedTuple):
    """What is known at one scrape; None of what its part could not answer."""

    measures: Measures
    depths: Mapping[str, Mapping[Status, int]] | None
    oldest_s: Mapping[str, float] | None
    queues: tuple[QueueState, ...] | None
    limits: tuple[LimitUsage, ...] | None
    held_back: tuple[HeldBack, ...] | None
    tree: Node | None
    schedules: tuple[Schedule, ...] | None
    nodes: tuple[ServiceNode, ...] | None
    now: float
    """On the monotonic clock."""
    at: float
    """On the wall clock."""


class Latest(Generic[T]):
    """The latest answer to one request, which is asked again when the last one was answered."""

    def __init__(self, ask: Ask, request: Request[T]) -> None:
        self._ask = ask
        self._request = request
        self._asking: asyncio.Task[None] | None = None
        self.value: T | None = None
        """None: not answered yet, or its part is unavailable."""

    def refresh(self) -> asyncio.Task[None]:
        """Ask again, unless an answer is on its way."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._read())
        return self._asking

    async def _read(self) -> None:
        try:
            self.value = await self._ask(self._request)
        except UNAVAILABLE:
            self.value = None

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait((self._asking,))


class Readings:
    """All that a scrape asks other parts for."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._depths = Latest(ask, GetDepths())
        self._oldest = Latest(ask, GetOldestRunnable())
        self._queues = Latest(ask, GetQueues())
        self._limits = Latest(ask, GetLimits())
        self._held_back = Latest(ask, GetHeldBack())
        self._tree = Latest(ask, GetTree())
        self._schedules = Latest(ask, GetSchedules())
        self._nodes = Latest(ask, GetNodes())
        self._all: tuple[Latest[Any], ...] = (
            *(self._depths, self._oldest, self._queues),
            *(self._limits, self._held_back, self._schedules, self._nodes, self._tree),
        )

    async def read(self) -> Reading:
        """Return what is known after `WAIT_S` at most."""
        answered, _ = await asyncio.wait([each.refresh() for each in self._all], timeout=WAIT_S)
        for each in answered:
            each.result()  # raises what is a bug
        return Reading(
            measures=await self._ask(GetMeasures()),
            depths=self._depths.value,
            oldest_s=self._oldest.value,
            queues=self._queues.value,
            limits=self._limits.value,
            held_back=self._held_back.value,
            tree=self._tree.value,
            schedules=self._schedules.value,
            nodes=self._nodes.value,
            now=self._clock.monotonic(),
            at=self._clock.now(),
        )

    async def close(self) -> None:
        """Ask no more."""
        for each in self._all:
            await each.close()
