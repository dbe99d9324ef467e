"""The supervision tree as one list. `python -m taskqueue.supervisor` runs it.

`children` shows the running system: only this module names all roles.
"""

if __name__ == "__main__":
    # Before anything is imported that a file in the working folder may have the name of.
    import runpy

    runpy.run_module("taskqueue", run_name="__main__")  # it does not come back

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from taskqueue.actors.consumer.settings import ConsumerSettings
from taskqueue.actors.consumers import SHARED, ConsumersSupervisor, Pool
from taskqueue.actors.database import DatabaseActor
from taskqueue.actors.gateway import GatewayActor
from taskqueue.actors.hooks import HooksActor
from taskqueue.actors.migration import MigrationActor
from taskqueue.actors.node import NodeActor
from taskqueue.actors.pauses import Recovery
from taskqueue.actors.queue.actor import QueueActor
from taskqueue.actors.queue.settings import QueueSettings
from taskqueue.actors.retention import RetentionActor
from taskqueue.actors.roster import Roster
from taskqueue.actors.schedules.actor import SchedulesActor
from taskqueue.actors.watchdog import WatchdogActor
from taskqueue.api.app import App
from taskqueue.clock import Clock, SystemClock
from taskqueue.http.server.binding import address_of, url_of
from taskqueue.http.server.limits import Limits
from taskqueue.http.state import HttpState
from taskqueue.rules.activity import Activity
from taskqueue.rules.health import Availability
from taskqueue.rules.measures import Measures
from taskqueue.rules.schedules.values import Declared
from taskqueue.rules.slots import slots_for
from taskqueue.rules.tasks import Owner
from taskqueue.runtime import ActorRef, System
from taskqueue.settings import Settings, in_force
from taskqueue.storage.protocol import Storage
from taskqueue.supervision import (
    Backoff,
    ChildSpec,
    ChildType,
    Flags,
    Intensity,
    Restart,
    Supervisor,
)

ROOT = "root"
ROOT_INTENSITY = Intensity(max_restarts=10, period_s=30)

# Longer than any part needs for an orderly stop, so that none is killed in the middle of it.
QUEUE_LIMIT_S = 10.0
DATABASE_LIMIT_S = 10.0
GATEWAY_LIMIT_S = 8.0

# A hook that breaks its loop, again and again, must not end the service.
HOOKS_BACKOFF = Backoff(initial_s=0.1, max_s=30.0)

# How long requests in flight may take when the service stops.
REQUESTS_LIMIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that the tree is made of."""

    settings: Settings
    app: App
    owner: Owner
    # Bound before the tree starts, and kept over restarts of the gateway; None: no HTTP at all.
    listener: socket.socket | None
    make_storage: Callable[[], Storage]
    clock: Clock = field(default_factory=SystemClock)  # for all instants of tasks
    has_peers: bool = False  # whether other services may use the database at the same time
    recovery: Recovery | None = None
    intensity: Intensity = ROOT_INTENSITY
    # Set by the database actor and read by the gateway, for as long as the configuration lives.
    availability: Availability = field(default_factory=Availability)
    http_state: HttpState = field(default_factory=HttpState)
    # Counted by the queue actor, over its restarts, and read by the gateway.
    activity: Activity = field(default_factory=Activity)
    # Counted by the queue actor, the watchdog and the engine, and read by the gateway.
    measures: Measures = field(default_factory=Measures)
    # Each consumer enters itself; read by the gateway.
    roster: Roster = field(default_factory=Roster)


def children(configuration: Configuration) -> tuple[ChildSpec, ...]:
    """Return the root's children, in start order. They stop in reverse."""
    settings, clock = configuration.settings, configuration.clock
    return (
        ChildSpec(
            id="database",
            start=partial(
                DatabaseActor.start_link,
                configuration.make_storage,
                configuration.recovery,
                configuration.availability,
                configuration.measures.groups,
            ),
            shutdown=DATABASE_LIMIT_S,
        ),
        ChildSpec(
            id="migration",
            start=MigrationActor.start_link,
            restart=Restart.TRANSIENT,
            one_shot=True,
        ),
        *hooks(configuration),
        ChildSpec(
            id="queue",
            start=partial(
                QueueActor.start_link,
                configuration.owner,
                queue(configuration),
                configuration.activity,
                configuration.measures.tasks,
                clock,
                hooks=configuration.app.hooks,
            ),
            shutdown=QUEUE_LIMIT_S,
        ),
        ChildSpec(
            id="retention",
            start=partial(RetentionActor.start_link, settings.retention, clock),
        ),
        ChildSpec(
            id="schedules",
            start=partial(
                SchedulesActor.start_link, declared(configuration), configuration.app, clock
            ),
        ),
        ChildSpec(
            id="watchdog",
            start=partial(WatchdogActor.start_link, measures=configuration.measures.loops),
        ),
        ChildSpec(
            id="consumers",
            start=partial(
                ConsumersSupervisor.start_link,
                pools(configuration.app, settings),
                configuration.app,
                consumers(settings),
                configuration.roster,
            ),
            type=ChildType.SUPERVISOR,
        ),
        ChildSpec(
            id="node",
            start=partial(
                NodeActor.start_link,
                configuration.owner,
                pools(configuration.app, settings),
                configuration.roster,
                clock,
                address=address(configuration),
                started_at=clock.now(),
                has_peers=configuration.has_peers,
            ),
        ),
        *gateway(configuration),
    )


def hooks(configuration: Configuration) -> tuple[ChildSpec, ...]:
    """Return the actor that calls the app's hooks; nothing without hooks."""
    app_hooks = configuration.app.hooks
    if not app_hooks:
        return ()
    start = partial(HooksActor.start_link, app_hooks)
    return (ChildSpec(id="hooks", start=start, backoff=HOOKS_BACKOFF),)


def declared(configuration: Configuration) -> tuple[Declared, ...]:
    """Return the schedules of the code and of the settings."""
    return (*configuration.app.schedules.values(), *configuration.settings.schedules)


def address(configuration: Configuration) -> str | None:
    """Return where the service listens, if it does."""
    listener = configuration.listener
    return None if listener is None else url_of(address_of(listener))


def gateway(configuration: Configuration) -> tuple[ChildSpec, ...]:
    """Return the HTTP gateway; nothing without a listener."""
    if configuration.listener is None:
        return ()
    start = partial(
        GatewayActor.start_link,
        configuration.listener,
        configuration.app,
        trusted_hosts=configuration.settings.trusted_hosts,
        proxies=configuration.settings.behind_proxy,
        http_state=configuration.http_state,
        limits=limits(configuration.settings),
        clock=configuration.clock,
        shutdown_s=REQUESTS_LIMIT_S,
        availability=configuration.availability,
        roster=configuration.roster,
        activity=configuration.activity,
        measures=configuration.measures,
        settings=in_force(configuration.settings),
        pools=pools(configuration.app, configuration.settings),
        retry=configuration.settings.retry,
    )
    return (ChildSpec(id="gateway", start=start, shutdown=GATEWAY_LIMIT_S),)


async def start(system: System, configuration: Configuration) -> ActorRef:
    """Start the whole tree; every part runs when this returns.

    Raises:
        StartFailed: a part did not start; those before it have been stopped.
    """
    flags = Flags(intensity=configuration.intensity)
    return await system.spawn(Supervisor, ROOT, children(configuration), flags)


def limits(settings: Settings) -> Limits:
    """Return the limits of HTTP."""
    return Limits(max_connections=settings.max_connections)


def queue(configuration: Configuration) -> QueueSettings:
    """Return the queue's part of the configuration."""
    app, retry = configuration.app, configuration.settings.retry
    return QueueSettings(
        queues=app.queues,
        prefetch=configuration.settings.prefetch,
        lease_s=configuration.settings.lease_s,
        retry=retry,
        retry_of=partial(app.retry_policy, usual=retry),
        limits=app.limits,
        ageing=app.ageing,
        fair_queues=app.fair_queues,
    )


def pools(app: App, settings: Settings) -> tuple[Pool, ...]:
    """Return the consumers: some queues have their own, the others share the rest."""
    own = settings.queues
    shared = tuple(queue for queue in app.queues if queue not in own)
    pools = (
        Pool(count=settings.consumers if shared else 0, queues=shared),
        *(
            Pool(name=f"{SHARED}-{queue}", count=count, queues=(queue,))
            for queue, count in own.items()
        ),
    )
    return tuple(replace(pool, slots=slots(app, settings, pool)) for pool in pools)


def slots(app: App, settings: Settings, pool: Pool) -> int:
    """Return how many handlers each consumer of a pool runs at once."""
    if settings.slots != "auto":
        return settings.slots
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return slots_for(app.executors(pool.queues), cores=cores or 1, consumers=pool.count)


def consumers(settings: Settings) -> ConsumerSettings:
    """Return a consumer's part of the settings."""
    return ConsumerSettings(
        drain_s=settings.drain_s,
        max_result_bytes=settings.max_result_bytes,
        timeout_s=settings.timeout_s,
        process=settings.process,
    )
