"""The calls of who watches the service: is it alive, is it ready?"""

from aiohttp import web

from taskqueue.http import problems
from taskqueue.http.answers import answer
from taskqueue.http.service import Service


class Probes:
    """Answers to a load balancer, or to whoever restarts containers."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def show_health(self, _: web.Request) -> web.StreamResponse:
        """Answer; that is all there is to it. Asks nobody, so it says only that we are alive."""
        return answer({"status": "ok"})

    async def show_readiness(self, _: web.Request) -> web.StreamResponse:
        """Tell whether tasks can be accepted and stored now."""
        readiness = await self._service.readiness()
        if not readiness.ready:
            raise problems.unavailable("not ready", readiness.reason)
        return answer({"status": "ready"})
