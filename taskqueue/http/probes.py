"""The calls of load balancers and container managers: is the service alive, is it ready?"""

from typing import Any

from taskqueue.commands import Ask, GetReadiness
from taskqueue.http import problems
from taskqueue.http.answers import Answer
from taskqueue.http.route import Call
from taskqueue.structs import Struct


class Alive(Struct):
    """The service answers."""

    status: str = "ok"


class Ready(Struct):
    """The service accepts tasks and can store them."""

    status: str = "ready"


class Probes:
    """Whether the service is alive, and whether it is ready."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def show_health(self, _: Call[Any, Any]) -> Answer:
        """Answer, without asking any part of the service."""
        return Answer(Alive())

    async def show_readiness(self, _: Call[Any, Any]) -> Answer:
        """Tell whether tasks can be accepted and stored now."""
        readiness = await self._ask(GetReadiness())
        if not readiness.ready:
            raise problems.unavailable("not ready", readiness.reason)
        return Answer(Ready())
