"""Where a service listens: free, taken by another program, or by a service that answers."""

import errno
from enum import Enum, auto

from taskqueue.client.address import address_of
from taskqueue.client.call import Call
from taskqueue.client.routes import HTTPRoute
from taskqueue.doctor.findings import Finding, ok, problem
from taskqueue.errors import ServiceNotStarted, TaskQueueError
from taskqueue.http.server.binding import bind
from taskqueue.settings import Settings

_TIMEOUT_S = 2.0
_EVERY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to call, not to listen on
_ALIVE = b'{"status":"ok"}'


class Door(Enum):
    """What is at an address."""

    FREE = auto()
    SERVED = auto()
    TAKEN = auto()
    """Another program listens there."""


def door_of(settings: Settings) -> tuple[Door, Finding]:
    """Find out what is where `settings` have a service listen, and judge it."""
    url = settings.listen or _url(settings)
    if settings.port != 0 and _is_served(url):
        return Door.SERVED, ok("port", f"a service answers on {url}")
    if settings.listen:
        return Door.FREE, ok("port", f"no service answers on {url}")
    try:
        bind(settings.host, settings.port).close()
    except ServiceNotStarted as error:
        return Door.TAKEN, _refused(error, settings.port)
    free = f"{settings.host}:{settings.port} is free" if settings.port else "a free port is chosen"
    return Door.FREE, ok("port", free)


def _url(settings: Settings) -> str:
    host = _EVERY.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _is_served(url: str) -> bool:
    try:
        # Without the token of the environment: another program may listen there.
        address = address_of(url, None, environ={})
    except TaskQueueError:
        return False
    route = HTTPRoute(address, timeout_s=_TIMEOUT_S, retry_s=0.0)
    try:
        return route.do(Call(method="GET", path="/health", read=bytes.strip)) == _ALIVE
    except TaskQueueError:
        return False
    finally:
        route.close()


def _refused(error: ServiceNotStarted, port: int) -> Finding:
    [fault] = error.faults
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
        return problem(
            "port",
            f"port {port} is in use: another program listens there",
            f"stop it (ss -ltnp 'sport = :{port}' names it), or choose another --port",
        )
    return problem("port", fault.message, "choose another --host or --port")
