"""An actor system: hosts, names and the actors on them; what a node is to Erlang."""

import asyncio
import threading
from functools import cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pykka

from taskqueue.actors.runtime.cell import Cell
from taskqueue.actors.runtime.exits import KILLED, Crash, ExitReason
from taskqueue.actors.runtime.host import Host
from taskqueue.actors.runtime.names import Names, NameTaken
from taskqueue.actors.runtime.ref import ActorRef, Address
from taskqueue.actors.runtime.reply import Reply
from taskqueue.errors import StartFailed

if TYPE_CHECKING:
    from taskqueue.actors.runtime.actor import Actor


class System:
    """A world of actors that know each other by name.

    As a context manager it leaves nobody alive:

        async with System() as system:
            ref = await system.spawn(Greeter)
    """

    def __init__(self, main: Host | None = None, *, kill_grace_s: float = 1.0) -> None:
        """Make a system whose main host is `main`, else the running loop.

        Args:
            main: where actors live that ask for no other place.
            kill_grace_s: how long a killed actor may take to notice before it is abandoned.
        """
        self.main = main or Host.adopt()
        self.kill_grace_s = kill_grace_s
        self.names = Names()
        self.lock = threading.RLock()
        self._alive: set[Cell] = set()

    @property
    def actors(self) -> tuple[ActorRef, ...]:
        """Everyone alive, in no order."""
        with self.lock:
            return tuple(cell.ref for cell in self._alive)

    def address(self, name: str) -> Address:
        """Return the address of whoever carries `name`."""
        return Address(self, name)

    async def spawn(self, actor_class: "type[Actor]", *args: Any, **kwargs: Any) -> ActorRef:
        """Start an actor that is linked to nobody; its parent is the outside.

        Raises:
            StartFailed, Ignore: as `Actor.start_link`.
        """
        return await self.launch(actor_class, None, args, kwargs)

    def spawn_blocking(self, actor_class: "type[Actor]", *args: Any, **kwargs: Any) -> ActorRef:
        """Start an actor from a thread without a loop; block until it runs."""
        return self._begin(actor_class, None, args, kwargs).get()

    async def launch(
        self,
        actor_class: "type[Actor]",
        parent: Cell | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> ActorRef:
        """Start an actor, linked to `parent` if there is one; return when `on_start` is done.

        A cancelled start kills what it began: nobody would ever hear of it.
        """
        started = self._begin(actor_class, parent, args, kwargs)
        try:
            return await started
        except asyncio.CancelledError:
            cell = started.cell
            if parent is not None:
                parent.unlink(cell)
            cell.kill()
            await cell.ended()
            raise

    def _begin(
        self,
        actor_class: "type[Actor]",
        parent: Cell | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> "Starting":
        cell = Cell(self, self.main, parent, trap_exit=actor_class.trap_exit)
        if parent is not None:
            cell.host = parent.host
        if actor_class.dedicated_host:
            cell.host = Host.launch(actor_class.__name__)
        started = Starting(cell)
        try:
            actor = _construct(actor_class, cell, args, kwargs)
            if actor.registered_name is not None:
                self.names.register(actor.registered_name, cell.ref)
        except Exception as error:  # noqa: BLE001 - any failure of a constructor is a failed start
            if actor_class.dedicated_host:
                cell.host.stop()
            failure = StartFailed(actor_class.__name__, Crash(error))
            failure.__cause__ = error
            started.fail(failure)
            return started
        pykka.ActorRegistry.register(cell.ref)
        with self.lock:
            self._alive.add(cell)
        if parent is not None and parent.link(cell) is None and parent.sealed:
            cell.exit(KILLED, parent)
        cell.host.call(partial(_bear, actor, started))
        return started

    def forget(self, cell: Cell) -> None:
        """Drop a cell that has ended. For `Cell.finish`, under the lock."""
        self._alive.discard(cell)

    async def close(self) -> None:
        """Kill everyone who is left and wait for it."""
        ended = []
        for ref in self.actors:
            ref.kill()
            ended.append(ref.ended())
        for reply in ended:
            await reply

    async def __aenter__(self) -> Self:
        """Enter."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave nobody alive."""
        await self.close()


class Starting(Reply[ActorRef]):
    """The answer of a start handshake."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell


def _construct(
    actor_class: "type[Actor]", cell: Cell, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> "Actor":
    """Make the object, giving it its cell before its own `__init__` can run."""
    actor = actor_class.__new__(actor_class)
    actor._cell = cell  # noqa: SLF001
    actor_class.__init__(actor, *args, **kwargs)
    cell.label = actor.registered_name or f"{actor_class.__name__}-{actor.actor_urn[9:17]}"
    return actor


def _bear(actor: "Actor", started: Starting) -> None:
    """Start the actor's task, on its host."""
    cell = started.cell
    task = cell.host.loop.create_task(actor._life(started))  # noqa: SLF001
    cell.main = task
    if cell.pending_exit is not None:
        task.cancel()

    def unborn(_: object) -> None:
        # A task that is cancelled before its first step never runs: end it in its place.
        reason: ExitReason = cell.pending_exit or KILLED
        if cell.finish(reason):
            started.fail(StartFailed(cell.label, reason))

    task.add_done_callback(unborn)


@cache
def default_system() -> System:
    """Return the system of pykka-style `start` calls; its main host is a thread of its own."""
    return System(Host.launch("taskqueue-default"))


__all__ = ["NameTaken", "System", "default_system"]
