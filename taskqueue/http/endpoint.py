"""One route at work: decode the request, call the handler, encode its answer."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from taskqueue.http.answers import encoded
from taskqueue.http.backpressure import Backpressure, is_large
from taskqueue.http.bodies import body_of
from taskqueue.http.paths import PATH
from taskqueue.http.problems import UNAVAILABLE, Unavailable
from taskqueue.http.route import AUDITED_BODY, CALLER, Call, Route
from taskqueue.http.server.large import client_of


class Endpoint:
    """Answers the requests of one route."""

    def __init__(self, route: Route, backpressure: Backpressure) -> None:
        self._route = route
        self._backpressure = backpressure
        self._refusing = Unavailable(
            route.unavailable.error, "Nothing was changed; GET /ready says why."
        )

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Return the response to a request that the guard has let through.

        Raises:
            Problem: it cannot be read, cannot be done, or not now.
        """
        route = self._route
        path = {name: str(PATH[name].read(text)) for name, text in request.match_info.items()}
        query = None if route.query is None else route.query.read(request.query)
        if route.writes:
            try:
                await self._backpressure.admit(request)
            except UNAVAILABLE as error:
                raise self._refusing.problem(error) from error
        raw = b"" if route.body is None else await body_of(request)
        if not (route.writes and is_large(raw)):
            return await self._answer(path, query, request, raw)
        with self._backpressure.storing(raw):
            return await self._answer(path, query, request, raw)

    async def _answer(
        self, path: Mapping[str, str], query: Any, request: web.Request, raw: bytes
    ) -> web.StreamResponse:
        route = self._route
        body = None if route.body is None else await route.body.read(raw)
        if route.body is not None and route.body.is_audited:
            request[AUDITED_BODY] = route.body.audited(raw)
        call = Call(path, query, request.headers, body, client_of(request), request[CALLER])
        try:
            return encoded(await route.handler(call))
        except UNAVAILABLE as error:
            raise route.unavailable.problem(error) from error
