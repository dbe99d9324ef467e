"""The calls about the supervision tree."""

from http import HTTPStatus

from aiohttp import web

from taskqueue.errors import Fault, TooManyConsumers
from taskqueue.http.answers import TEXT, answer, response
from taskqueue.http.bodies import body_of
from taskqueue.http.problems import Problem, Unavailable
from taskqueue.http.service import ROOT, Service
from taskqueue.http.supervision.answers import Killed, Resized, part_of
from taskqueue.http.supervision.requests import read_count, read_format, read_path
from taskqueue.supervision import picture

_SUPERVISING = Unavailable("supervision unavailable")


class SupervisionRoutes:
    """What can be seen of the tree, and done to it."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def show_tree(self, request: web.Request) -> web.StreamResponse:
        """Show the supervision tree."""
        wish = read_format(request.query)
        if wish is None and "text/plain" in request.headers.get("Accept", ""):
            wish = "text"
        with _SUPERVISING:
            tree = await self._service.tree()
        if wish == "text":
            return response(picture(tree).encode(), HTTPStatus.OK, content_type=TEXT)
        return answer(part_of(tree))

    async def kill_actor(self, request: web.Request) -> web.StreamResponse:
        """Kill an actor, to see its supervisor restart it."""
        path = read_path(await body_of(request))
        if path == ROOT:
            detail = "Nobody would restart it; stop the process instead."
            raise Problem(HTTPStatus.CONFLICT, "the root cannot be killed", detail)
        with _SUPERVISING:
            killed = await self._service.kill(path)
        if not killed:
            raise Problem(HTTPStatus.NOT_FOUND, "no such actor", f"Nobody runs at {path!r}.")
        return answer(Killed(killed=path), HTTPStatus.ACCEPTED)

    async def resize_consumers(self, request: web.Request) -> web.StreamResponse:
        """Add or remove consumers; those that leave finish what they do."""
        count = read_count(await body_of(request))
        try:
            with _SUPERVISING:
                await self._service.resize(count)
        except TooManyConsumers as error:
            raise Problem.invalid("invalid request", (Fault("count", str(error)),)) from error
        return answer(Resized(count=count), HTTPStatus.ACCEPTED)
