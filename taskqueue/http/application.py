"""The HTTP interface as an aiohttp application.

A request passes `answer_problems`, then `Guard.check` (who asks, and may they?), then the
`Endpoint` of its route, which decodes it, calls the handler and encodes the answer.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence

from aiohttp import hdrs, web

from taskqueue.api.app import App
from taskqueue.clock import Clock, SystemClock
from taskqueue.commands import Ask
from taskqueue.http import problems
from taskqueue.http.backpressure import Backpressure
from taskqueue.http.bodies import MAX_BODY_BYTES
from taskqueue.http.callers import Callers
from taskqueue.http.credentials import Credentials
from taskqueue.http.endpoint import Endpoint
from taskqueue.http.event_stream.streams import EventStreams, StreamLimits
from taskqueue.http.guard import Guard, Hosts
from taskqueue.http.hosts import is_loopback
from taskqueue.http.metrics.readings import Readings
from taskqueue.http.metrics.routes import MetricsRoutes
from taskqueue.http.permissions import Permissions
from taskqueue.http.route import Route
from taskqueue.http.routes import routes
from taskqueue.http.settings import SettingRoutes
from taskqueue.http.state import HttpState
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.health import Availability
from taskqueue.rules.proxies import NO_PROXIES, UNIX, Proxies
from taskqueue.settings import SettingInForce


def application(
    ask: Ask,
    app: App,
    *,
    availability: Availability,
    bound_to: str,
    trusted_hosts: Collection[str] = (),
    proxies: Proxies = NO_PROXIES,
    state: HttpState | None = None,
    clock: Clock | None = None,
    waits: TaskWaits | None = None,
    stream_limits: StreamLimits | None = None,
    settings: Sequence[SettingInForce] = (),
) -> web.Application:
    """Return the HTTP interface of the service.

    Args:
        ask: the service port.
        app: knows the actions, and which data they take.
        availability: tells whether the storage can be written.
        bound_to: the address on which the server will listen; `UNIX` for a socket in a folder.
        trusted_hosts: host names that are answered beside those of the loopback interface.
        proxies: the proxies whose header names the client.
        state: what outlives the gateway.
        clock: tells whether a task's `run_at` lies ahead, and a token has expired.
        waits: the clients that wait for the ends of tasks.
        stream_limits: what event streams may cost.
        settings: those of the service, to be shown.
    """
    waits = waits or TaskWaits()
    clock, state = clock or SystemClock(), state or HttpState()
    credentials = Credentials(ask, clock)
    on_unix = bound_to == UNIX
    callers = Callers(state.sessions, clock, on_unix=on_unix, proxies=proxies)
    permissions = Permissions(callers, credentials)
    streams = EventStreams(state.broadcaster, permissions, stream_limits or StreamLimits())
    readings = Readings(ask, clock)
    metrics = MetricsRoutes(readings, availability, state.broadcaster)
    table = routes(
        ask,
        app,
        clock,
        waits,
        streams,
        state=state,
        credentials=credentials,
        metrics=metrics,
        settings=SettingRoutes(settings),
    )
    backpressure = Backpressure(availability)
    endpoints = [(route, Endpoint(route, backpressure).respond) for route in table]
    guard = Guard(
        {respond: route for route, respond in endpoints},
        Hosts(is_local=on_unix or is_loopback(bound_to), trusted=trusted_hosts),
        permissions,
        trail=state.trail,
        clock=clock,
    )
    served = web.Application(
        client_max_size=MAX_BODY_BYTES, middlewares=[problems.answer_problems, guard.check]
    )
    served.on_cleanup.append(lambda _: credentials.close())
    served.on_cleanup.append(lambda _: readings.close())
    paths = [route.path for route in table]
    for route, respond in endpoints:
        for method in _methods(route):
            served.router.add_route(method, pattern_of(route.path, paths), respond)
    served.on_shutdown.append(_releasing(waits, streams))
    return served


def _releasing(
    waits: TaskWaits, streams: EventStreams
) -> Callable[[web.Application], Awaitable[None]]:
    async def release(_: web.Application) -> None:
        waits.release()
        streams.release()

    return release


def _methods(route: Route) -> Iterator[str]:
    yield route.method
    if route.method == hdrs.METH_GET:
        yield hdrs.METH_HEAD


def pattern_of(path: str, paths: Iterable[str]) -> str:
    """Return a path of the table in the form of aiohttp, which matches none of the other `paths`.

    aiohttp would take the last part of `/tasks/cancel` for the id of a task wherever the method is
    not `POST`, and list the methods of both in `Allow`.

    >>> pattern_of("/tasks/{id}", ["/tasks/{id}", "/tasks/cancel", "/tasks/{id}/cancel"])
    '/tasks/{id:(?!(?:cancel)$)[^/]+}'
    >>> pattern_of("/queues/{name}/pause", ["/queues/{name}/pause", "/queues"])
    '/queues/{name:[^/]+}/pause'
    >>> pattern_of("/assets/{folder}/{file}", ["/assets/{folder}/{file}"])
    '/assets/{folder:[^/]+}/{file:[^/]+}'
    """
    prefix, _, rest = path.partition("{")
    if not rest:
        return path
    names = {p.removeprefix(prefix) for p in paths if p.startswith(prefix) and "{" not in p}
    others = f"(?!(?:{'|'.join(map(re.escape, sorted(names)))})$)" if names else ""
    # aiohttp's own pattern takes no braces, which the name of a queue may have.
    first, _, end = rest.partition("}")
    return f"{prefix}{{{first}:{others}[^/]+}}" + re.sub(r"{(\w+)}", r"{\1:[^/]+}", end)
