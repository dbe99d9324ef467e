"""One life of the service: from its settings to its exit code.

Start: the app is loaded, the port is bound, the tree starts. End: a signal drains it and it ends
with 0; a tree that gives up ends it with 1; what cannot be used at all ends it with 1 or 2 before.
"""

import asyncio
import contextlib
import encodings.idna  # noqa: F401 - a look-up imports it, with the user's folder on the path
import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import ExitStack
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from taskqueue import supervisor
from taskqueue.actors.client import QueueClient
from taskqueue.actors.descriptors import require_descriptors
from taskqueue.actors.messages import QUEUE, Drain
from taskqueue.actors.migration import ExitCode
from taskqueue.api.demo import demo_app
from taskqueue.api.loading import load_app
from taskqueue.clock import with_bound_clock
from taskqueue.errors import (
    ActorUnavailable,
    AskTimeout,
    ConfigError,
    StartFailed,
    StorageUnavailable,
    TooManyConsumers,
)
from taskqueue.events import events
from taskqueue.http.server import descriptors
from taskqueue.http.server.listener import BACKLOG
from taskqueue.logs import pipeline as logs
from taskqueue.process.forks import close_in_children
from taskqueue.runtime import (
    SHUTDOWN,
    ActorRef,
    Crash,
    ExitReason,
    Shutdown,
    System,
    ask,
    log_loop_error,
)
from taskqueue.settings import Settings
from taskqueue.storage.backend import Backend
from taskqueue.supervision.ordered import FailedToStartChild
from taskqueue.supervisor import Configuration

OK, FAILED, MISUSED = 0, 1, 2

# How often a queue actor is looked for that is just being restarted.
QUEUE_RETRY_S = 0.1

# How long the queue actor may take to hear that a stop is to hurry.
HURRY_S = 1.0

T = TypeVar("T")


# How long a killed consumer, whose handler blocks it or does not end, may take to notice.
KILL_GRACE_S = 0.25

_STOPS = (signal.SIGTERM, signal.SIGINT)


class Ended(NamedTuple):
    """The end of a life: its exit code, and the monotonic instant at which its handlers had to."""

    code: int
    drained_at: float


class CannotStart(Exception):
    """Something outside keeps the service from starting; the text says what, in one line."""


def serve(settings: Settings, backend: Backend) -> Ended:
    """Run the service on `backend` until it is told to stop, and return how it ended."""
    with ExitStack() as stack:
        stack.enter_context(logs.buffered())
        descriptors.raise_limit()
        try:
            app = load_app(settings.app) if settings.app else demo_app(settings.demo_work_s)
            listener = stack.enter_context(bind(settings.host, settings.port))
        except ConfigError as error:
            for fault in error.faults:
                print_error(str(fault))
            return _ended_now(MISUSED)
        except CannotStart as error:
            print_error(str(error))
            return _ended_now(FAILED)
        app.add_queues(settings.queues)
        configuration = Configuration(
            settings=settings,
            app=app,
            owner=backend.owner,
            listener=listener,
            make_storage=backend.storage,
        )
        try:
            require_descriptors(
                sum(pool.count for pool in supervisor.pools(configuration)),
                supervisor.limits(settings),
            )
        except TooManyConsumers as error:
            print_error(f"consumers: {error}")
            return _ended_now(MISUSED)
        selector = selectors.DefaultSelector()
        loop = with_bound_clock(asyncio.SelectorEventLoop(selector))
        loop.set_exception_handler(log_loop_error)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(_live(configuration, backend, listener, Signals(selector)))


def tune_gc() -> None:
    """Let the garbage collector look at what lives on as seldom as that deserves.

    What is there once the service runs stays to its end, and of what a task makes next to nothing
    is part of a cycle; Python's own thresholds are for programs that make less.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port` (0: a free one).

    Connections wait in its backlog while there is no gateway to take them: before the first one
    is up, and between two lives of it.

    Raises:
        CannotStart: the address is in use, or not ours.
    """
    try:
        [family, kind, protocol, _, address], *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise CannotStart(f"host: cannot resolve {host}: {error.strerror}") from error
    listener = close_in_children(socket.socket(family, kind, protocol))
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotStart(f"port: cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def print_error(line: str) -> None:
    """Say on standard error why the service does not run."""
    print(f"taskqueue: {line}", file=sys.stderr)  # noqa: T201 - it is the user interface


def _ended_now(code: int) -> Ended:
    return Ended(code, monotonic())


async def _live(
    configuration: Configuration, backend: Backend, listener: socket.socket, signals: "Signals"
) -> Ended:
    signals.listen()
    try:
        await backend.prepare()
    except StorageUnavailable as error:
        print_error(f"database: {error.reason}")
        return _ended_now(FAILED)
    async with System(kill_grace_s=KILL_GRACE_S) as system:
        try:
            root = await _unless(signals.stop, supervisor.start(system, configuration))
        except StartFailed as error:
            print_error(f"did not start: {_why(error.cause)}")
            return _ended_now(FAILED)
        if root is None:
            events.info("service_stopped", reason="told to stop while starting")
            return _ended_now(OK)
        configuration.app.attach(QueueClient(system.address(QUEUE)))
        tune_gc()
        _announce_ready(configuration, listener)
        gave_up = await _unless(signals.stop, _ended(root))
        if gave_up is not None:
            print_error(f"gave up: the supervision tree ended ({gave_up}); the log says why")
            return _ended_now(FAILED)
        events.info("service_stopping", drain_s=configuration.settings.drain_s)
        await _drained(root, system, configuration.settings.drain_s, signals.hurry)
        drained_at = monotonic()
        if not await _stop(root):
            print_error("gave up while it was stopping; the log says why")
            return Ended(FAILED, drained_at)
    events.info("service_stopped", reason="told to stop")
    return Ended(OK, drained_at)


def _why(cause: object) -> str:
    """Return who did not start, and in its own words why not."""
    match cause:
        case Shutdown(detail=FailedToStartChild(child_id=child_id, reason=reason)):
            return f"{child_id}: {_why(reason)}"
        case Crash(cause=ExitCode(why=why)):
            return why
        case _:
            return str(cause)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what `work` returns; None if we are told to stop before, which cancels it."""
    working = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({stopped, working}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
        return None
    return await working


async def _ended(root: ActorRef) -> ExitReason:
    return await root.ended()


async def _drained(root: ActorRef, system: System, drain_s: float, hurry: asyncio.Event) -> None:
    """Hand out nothing more, and wait until nothing runs, but not longer than `drain_s`.

    The door stays open for as long as handlers run, so that one can look at them, and cancel them.
    """
    deadline = asyncio.get_running_loop().time() + drain_s
    await _unless(hurry, _drain(root, system, deadline))
    if hurry.is_set():
        drain = Drain(deadline=asyncio.get_running_loop().time())
        with contextlib.suppress(ActorUnavailable, AskTimeout):
            await ask(system.address(QUEUE), drain, timeout_s=HURRY_S)


async def _stop(root: ActorRef) -> bool:
    """Stop the tree; return whether it has lasted until then."""
    lasted = root.is_alive()
    root.exit(SHUTDOWN)
    await root.ended()
    return lasted


async def _drain(root: ActorRef, system: System, deadline: float) -> None:
    """Have the queue drain, and the next one if it dies meanwhile, while there is a tree."""
    loop = asyncio.get_running_loop()
    while loop.time() < deadline and root.is_alive():
        try:
            await ask(system.address(QUEUE), Drain(deadline=deadline), timeout_s=None)
        except ActorUnavailable:
            await asyncio.sleep(QUEUE_RETRY_S)
        else:
            return


class Signals:
    """What an operator says with SIGTERM or SIGINT: first stop, then hurry, then enough."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        """Make it for the loop of `selector`."""
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self._selector = selector

    def listen(self) -> None:
        """Hear them from now on, even if the parent or the app has blocked them.

        A child that a handler forks does not take part: its signals are its own, and it closes the
        connections of the service.
        """
        for number in _STOPS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)
            # This one is called even while the loop waits for a reader of the log.
            signal.signal(number, lambda *_: logs.stop_waiting())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        os.register_at_fork(after_in_child=self._part)

    def _part(self) -> None:
        # What arrives in the child would be written to the loop of its parent, and so stop that.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for key in (self._selector.get_map() or {}).values():
            with contextlib.suppress(OSError):  # closed already, as one of ours
                os.close(key.fd)
        self._selector.close()

    def _on_signal(self, number: signal.Signals) -> None:
        if not self.stop.is_set():
            events.info("signal_received", signal=number.name, means="drain and stop")
            self.stop.set()
        elif not self.hurry.is_set():
            events.warning("signal_received", signal=number.name, means="cut what runs, and stop")
            self.hurry.set()
        else:
            events.warning("signal_received", signal=number.name, means="die at once")
            os.kill(os.getpid(), signal.SIGKILL)  # whatever hangs; nothing accepted is lost by it


def _announce_ready(configuration: Configuration, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    events.info(
        "service_ready",
        url=f"http://{f'[{host}]' if ':' in host else host}:{port}",
        host=host,
        port=port,
        pid=os.getpid(),
        database=str(configuration.settings.database),
        app=configuration.settings.app or "demo",
        consumers=configuration.settings.consumers,
    )
