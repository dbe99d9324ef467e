"""Gathers what the tree is made of, and finds what keeps it from starting before it is started."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from taskqueue import supervisor
from taskqueue.actors.descriptors import require_descriptors
from taskqueue.actors.pauses import Recovery
from taskqueue.api.app import App
from taskqueue.clock import Clock, SystemClock
from taskqueue.errors import (
    ConfigError,
    Fault,
    ServiceNotStarted,
    StorageError,
    StorageUnavailable,
    TooManyConsumers,
)
from taskqueue.http.server.binding import bind
from taskqueue.http.server.unix_socket import unix_listener
from taskqueue.http.state import HttpState
from taskqueue.rules.measures import Measures, TaskMeasures
from taskqueue.rules.sockets import socket_path
from taskqueue.runtime import System
from taskqueue.settings import Settings
from taskqueue.storage.backend import Backend
from taskqueue.storage.databases import backend_of
from taskqueue.supervision import Intensity
from taskqueue.supervisor import ROOT_INTENSITY, Configuration

# How long a killed consumer, whose handler blocks it or does not end, may take to notice.
KILL_GRACE_S = 0.25


def _system() -> System:
    return System(kill_grace_s=KILL_GRACE_S)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What tests, benchmarks and the command replace.

    Attributes:
        backend: the engine; None: that of the settings' database.
        clock: for all instants of tasks, the app's included; None: the engine's, or the wall clock.
        recovery: how an unavailable storage is tried again.
        intensity: of the root supervisor.
        make_system: makes the actors' system; the service closes it.
    """

    backend: Backend | None = None
    clock: Clock | None = None
    recovery: Recovery | None = None
    intensity: Intensity = ROOT_INTENSITY
    make_system: Callable[[], System] = _system


async def configuration(
    app: App, settings: Settings, parts: Parts, *, http: bool, resources: ExitStack
) -> Configuration:
    """Return what the tree is made of; `resources` closes what it holds open.

    Raises:
        ConfigError: there are not enough file descriptors for so many consumers, or the app does
            not know what the settings schedule.
        ServiceNotStarted: with everything that is in the way.
    """
    app.add_queues(settings.queues)
    _require_descriptors(app, settings)
    _require_schedules(app, settings)
    backend = parts.backend or resources.enter_context(backend_of(settings.database))
    faults: list[Fault] = []
    listener = None
    with _noted(faults):
        listener = resources.enter_context(_bound(settings)) if http else None
    with _noted(faults):
        await _require_database(backend)
    if faults:
        raise ServiceNotStarted(tuple(faults))
    clock = parts.clock or backend.clock
    if clock is not None:
        app.count_delays_by(clock)
    http_state = HttpState()
    resources.callback(http_state.close)
    return Configuration(
        settings=settings,
        app=app,
        owner=backend.owner,
        listener=listener,
        make_storage=backend.storage,
        clock=clock or SystemClock(),
        has_peers=backend.clock is not None,
        recovery=parts.recovery,
        intensity=parts.intensity,
        http_state=http_state,
        measures=Measures(
            tasks=TaskMeasures(app.queues, app.actions),
            commits=backend.commits,
            hooks=app.hooks.measures,
        ),
    )


def _bound(settings: Settings) -> AbstractContextManager[socket.socket]:
    path = socket_path(settings.listen)
    if path is None:
        return bind(settings.host, settings.port)
    return unix_listener(Path(path), settings.socket_mode)


@contextmanager
def _noted(faults: list[Fault]) -> Iterator[None]:
    try:
        yield
    except ServiceNotStarted as error:
        faults += error.faults


async def _require_database(backend: Backend) -> None:
    try:
        await backend.prepare()
    except StorageError as error:
        reason = error.reason if isinstance(error, StorageUnavailable) else str(error)
        raise ServiceNotStarted((Fault("database", reason),)) from error


def _require_schedules(app: App, settings: Settings) -> None:
    """Make sure that the app can do what the settings schedule.

    Raises:
        ConfigError: with every fault.
    """
    faults = []
    for declared in settings.schedules:
        what = f"schedule {declared.name!r}"
        if declared.name in app.schedules:
            faults.append(Fault(f"{what}, name", "the code has a schedule of this name"))
        faults += [
            Fault(f"{what}, {fault.field}", fault.message)
            for fault in app.plan_faults(declared.plan)
        ]
    if faults:
        raise ConfigError(tuple(faults))


def _require_descriptors(app: App, settings: Settings) -> None:
    consumers = sum(pool.count for pool in supervisor.pools(app, settings))
    try:
        require_descriptors(consumers, supervisor.limits(settings))
    except TooManyConsumers as error:
        raise ConfigError((Fault("consumers", str(error)),)) from error
