"""The calls about the supervision tree."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs
from msgspec.structs import replace

from taskqueue.api.app import App
from taskqueue.commands import ROOT, Ask, GetConsumers, GetMeasures, GetTree, Kill, SetConsumers
from taskqueue.errors import Fault, TooManyConsumers
from taskqueue.http.answers import Answer, Text
from taskqueue.http.handler_lines import folders_of, shown
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call
from taskqueue.http.supervision.answers import Killed, part_of
from taskqueue.http.supervision.requests import Form, Place, Size
from taskqueue.rules.running import BlockedLoop
from taskqueue.supervision import picture


class SupervisionRoutes:
    """Show the tree, kill actors, resize the consumers."""

    def __init__(self, ask: Ask, app: App) -> None:
        self._ask = ask
        self._app = app

    async def show_tree(self, call: Call[Any, Form]) -> Answer:
        """Show the supervision tree, as JSON or as a picture."""
        tree = await self._ask(GetTree())
        default = "text" if "text/plain" in call.headers.get(hdrs.ACCEPT, "") else "json"
        if (call.query.format or default) == "text":
            return Answer(Text(picture(tree)))
        return Answer(part_of(tree, await self._blocked()))

    async def _blocked(self) -> Mapping[str, BlockedLoop]:
        """Return the loops that handlers block, by the names of their consumers."""
        blocked = (await self._ask(GetMeasures())).loops.blocked
        folders = folders_of(self._app.folder) if blocked else ()
        return {
            name: loop if loop.line is None else replace(loop, line=shown(loop.line, folders))
            for name, loop in blocked.items()
        }

    async def kill_actor(self, call: Call[Place, Any]) -> Answer:
        """Kill an actor, to see its supervisor restart it."""
        path = call.body.path
        if path == ROOT:
            detail = "Nothing would restart it; stop the process instead."
            raise Problem(HTTPStatus.CONFLICT, "the root cannot be killed", detail)
        if not await self._ask(Kill(path=path)):
            raise Problem(HTTPStatus.NOT_FOUND, "no such actor", f"No actor runs at {path!r}.")
        return Answer(Killed(killed=path), HTTPStatus.ACCEPTED)

    async def resize_consumers(self, call: Call[Size, Any]) -> Answer:
        """Add or remove consumers; those removed finish their running tasks first.

        The number holds over restarts of the service, whatever is configured. With null there are
        as many as are configured again.
        """
        try:
            size = await self._ask(SetConsumers(count=call.body.count))
        except TooManyConsumers as error:
            raise Problem.invalid("invalid request", (Fault("count", str(error)),)) from error
        return Answer(size, HTTPStatus.ACCEPTED)

    async def show_consumers(self, _: Call[Any, Any]) -> Answer:
        """Show how many consumers there are meant to be, and whether a call has set that."""
        return Answer(await self._ask(GetConsumers()))
