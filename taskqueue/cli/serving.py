"""One life of the service as a process of its own: from its settings to its exit code.

A signal drains it, and it ends with 0; a tree that gives up ends it with 1, as does what keeps it
from starting; settings or an app that cannot be used end it with 2.
"""

import asyncio
import os
import selectors
import sys
from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple

from taskqueue.api.app import App
from taskqueue.api.demo import demo_app
from taskqueue.api.loading import load_app
from taskqueue.assembly import Parts
from taskqueue.cli.signals import Signals
from taskqueue.clock import with_bound_clock
from taskqueue.errors import ConfigError, Fault, ServiceFailed, ServiceNotStarted
from taskqueue.events import events
from taskqueue.http.server import descriptors
from taskqueue.logs import pipeline as logs
from taskqueue.process.interpreter import adapt_switch_interval, tune_gc
from taskqueue.process.quick_loop import QuickLoop
from taskqueue.runtime import log_loop_error
from taskqueue.service import Service
from taskqueue.settings import Settings
from taskqueue.storage.backend import Backend

OK, FAILED, MISUSED = 0, 1, 2


class Ended(NamedTuple):
    """The end of a life: its exit code, and the monotonic instant at which its handlers had to."""

    code: int
    drained_at: float


class Starter:
    """Receives how the service is, for whatever started this process: here, a user."""

    def ready(self, service: Service) -> None:
        """Note that tasks are accepted. Called on the service's loop."""

    def stopping(self) -> None:
        """Note that the service stops. Called on its loop, once, if it was ready."""

    def refused(self, faults: Sequence[Fault]) -> None:
        """Say why the service does not start."""
        for fault in faults:
            print_error(str(fault))


def serve(
    settings: Settings,
    backend: Backend,
    *,
    load: Callable[[Settings], App] | None = None,
    starter: Starter | None = None,
) -> Ended:
    """Run the service on `backend` until it is told to stop, and return how it ended."""
    starter = starter or Starter()
    with logs.buffered():
        descriptors.raise_limit()
        try:
            app = (load or _app)(settings)
            service = Service(app, settings, parts=Parts(backend=backend))
        except ConfigError as error:
            starter.refused(error.faults)
            return Ended(MISUSED, monotonic())
        selector = selectors.DefaultSelector()
        loop = with_bound_clock(QuickLoop(selector))
        loop.set_exception_handler(log_loop_error)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            code = runner.run(_run(service, Signals(selector), starter))
        return Ended(code, service.drained_at or monotonic())


def _app(settings: Settings) -> App:
    return load_app(settings.app) if settings.app else demo_app(settings.demo_work_s)


async def _run(service: Service, signals: Signals, starter: Starter) -> int:
    """Run it until a signal cancels this; return the exit code."""
    main = asyncio.current_task()
    assert main is not None  # noqa: S101 - a coroutine runs in one
    signals.cancel(main)
    try:
        async with service:
            tune_gc()
            _announce_ready(service)
            starter.ready(service)
            try:
                await adapt_switch_interval()
            finally:
                starter.stopping()
    except asyncio.CancelledError:
        return OK
    except (ConfigError, ServiceNotStarted) as error:
        starter.refused(error.faults)
        return MISUSED if isinstance(error, ConfigError) else FAILED
    except ServiceFailed as error:
        print_error(str(error))
    return FAILED


def _announce_ready(service: Service) -> None:
    host, port = service.address
    events.info(
        "service_ready",
        url=service.url,
        host=host,
        port=port,
        pid=os.getpid(),
        database=str(service.settings.database),
        app=service.settings.app or "demo",
        consumers=service.settings.consumers,
    )


def print_error(line: str) -> None:
    """Say on standard error why the service does not run."""
    print(f"taskqueue: {line}", file=sys.stderr)  # noqa: T201 - it is the user interface
