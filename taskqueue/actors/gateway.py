"""The gateway actor: serves HTTP for as long as it lives.

It listens on a copy of a socket that the entry point keeps. Between two gateways the original still
accepts connections into its backlog, so no client is refused because of a crash.
"""

import asyncio
import contextlib
import socket
from collections.abc import Collection, Sequence
from functools import partial

from taskqueue.actors.consumers import Pool
from taskqueue.actors.messages import GATEWAY
from taskqueue.actors.port import ServicePort
from taskqueue.actors.roster import Roster
from taskqueue.api.app import App
from taskqueue.api.forecast import retries_of
from taskqueue.clock import Clock, SystemClock
from taskqueue.events import events
from taskqueue.http.application import application
from taskqueue.http.audit_writer import AuditWriter
from taskqueue.http.event_stream.streams import StreamLimits
from taskqueue.http.server import descriptors
from taskqueue.http.server.binding import address_of
from taskqueue.http.server.limits import (
    LIMITS,
    Limits,
    connections_within,
    descriptors_for,
)
from taskqueue.http.server.server import HttpServer
from taskqueue.http.state import HttpState
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.process.forks import close_in_children
from taskqueue.rules.activity import Activity
from taskqueue.rules.health import Availability
from taskqueue.rules.measures import Measures
from taskqueue.rules.policy import USUAL, RetryPolicy
from taskqueue.rules.proxies import NO_PROXIES, UNIX, Proxies
from taskqueue.runtime import Actor, is_orderly
from taskqueue.settings import SettingInForce

MOST_STREAMS = 200  # of events


class GatewayActor(Actor):
    """Serves HTTP. On a stop it refuses new connections and finishes the requests in flight."""

    registered_name = GATEWAY
    trap_exit = True

    def __init__(
        self,
        sock: socket.socket,
        app: App,
        *,
        trusted_hosts: Collection[str] = (),
        proxies: Proxies = NO_PROXIES,
        http_state: HttpState | None = None,
        limits: Limits = LIMITS,
        shutdown_s: float = 5.0,
        clock: Clock | None = None,
        availability: Availability | None = None,
        retry: RetryPolicy = USUAL,
        roster: Roster | None = None,
        activity: Activity | None = None,
        measures: Measures | None = None,
        settings: Sequence[SettingInForce] = (),
        pools: Sequence[Pool] = (),
    ) -> None:
        """Make a gateway.

        Args:
            sock: is bound; belongs to the caller, who keeps it open across restarts.
            app: knows the actions.
            trusted_hosts: host names that are answered beside those of the loopback interface.
            proxies: the proxies whose header names the client.
            http_state: what outlives a gateway.
            limits: what each client may cost.
            shutdown_s: how long requests in flight may take to finish on a stop.
            clock: the time.
            availability: tells whether the storage can be written.
            retry: how failures of actions are answered that have no rule of their own.
            roster: the consumers that live.
            activity: what the queues did in the last minutes.
            measures: what the service has counted since its start.
            settings: those of the service, to be shown.
            pools: the consumers, as they are configured.
        """
        super().__init__()
        self.host, self.port = address_of(sock)
        self._sock = sock
        self._shutdown_s = shutdown_s
        clock = clock or SystemClock()
        availability = availability or Availability()
        self._limits = limits
        connections = connections_within(limits, descriptors.limit())
        port = ServicePort(
            self._cell.system,
            clock,
            limits,
            availability,
            retries_of=partial(retries_of, app, retry),
            roster=roster,
            activity=activity,
            measures=measures,
            pools=pools,
        )
        http_state = http_state or HttpState()
        self._audit = AuditWriter(port, http_state.trail)
        application_ = application(
            port,
            app,
            availability=availability,
            bound_to=UNIX if sock.family == socket.AF_UNIX else self.host,
            trusted_hosts=trusted_hosts,
            proxies=proxies,
            state=http_state,
            clock=clock,
            waits=TaskWaits(3 * connections // 4),
            stream_limits=StreamLimits(most=min(MOST_STREAMS, connections // 6)),
            settings=settings,
        )
        self._server = HttpServer(application_, shutdown_s=shutdown_s, limits=limits)

    async def on_start(self) -> None:
        """Listen; connections that came since the last gateway are served."""
        self.start_task(self._audit.keep_writing())
        listener = close_in_children(self._sock.dup())
        self.own(listener.close)
        self.own(self._server.cut)
        await self._server.start(listener)
        _warn_of_few(self._limits, descriptors.limit())
        events.info("gateway_listening", host=self.host, port=self.port)

    async def on_stop(self) -> None:
        """Refuse new connections, finish the requests in flight, close the others; store the trail.

        Not after a crash: the next gateway serves clients that connect meanwhile.
        """
        if self.exit_reason is None or not is_orderly(self.exit_reason):
            return
        self._server.stop_accepting()
        with contextlib.suppress(OSError):  # no longer listening, or not supported here
            self._sock.shutdown(socket.SHUT_RDWR)
        try:
            async with asyncio.timeout(self._shutdown_s):
                await self._server.close()
        except TimeoutError:
            events.warning("gateway_requests_cut", after_s=self._shutdown_s)
        await self._audit.finish()


def _warn_of_few(limits: Limits, available: int) -> None:
    """Say that fewer connections can be open than are configured, and what that takes."""
    allowed = connections_within(limits, available)
    if allowed < limits.max_connections:
        events.warning(
            "connections_limited",
            max_connections=limits.max_connections,
            allowed=allowed,
            descriptors=available,
            needed=descriptors_for(limits.max_connections),
        )
