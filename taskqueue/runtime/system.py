"""An actor system: hosts, names and the actors on them; what a node is to Erlang."""

import asyncio
import threading
from functools import cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pykka

from taskqueue.runtime.cell import Cell
from taskqueue.runtime.exits import KILLED, Crash
from taskqueue.runtime.host import Host
from taskqueue.runtime.names import Names, NameTaken
from taskqueue.runtime.ref import ActorRef, Address
from taskqueue.runtime.reply import refuse_to_block

if TYPE_CHECKING:
    from taskqueue.runtime.actor import Actor


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
        self._hosts: set[Host] = set()  # of the dedicated kind, until their threads are gone

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
        """Start an actor from a thread without a loop; block until it runs.

        Raises:
            StartFailed, Ignore: as `Actor.start_link`.
            RuntimeError: this thread runs a loop.
        """
        refuse_to_block()
        return self._begin(actor_class, None, args, kwargs).started.get()

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
        cell = self._begin(actor_class, parent, args, kwargs)
        try:
            return await cell.started
        except asyncio.CancelledError:
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
    ) -> Cell:
        host = self._host_for(actor_class, parent)
        cell = Cell(self, host, parent, trap_exit=actor_class.trap_exit)
        if parent is not None and parent.begun is not None:
            parent.begun.append(cell)
        host.enter()
        actor = actor_class.__new__(actor_class)
        actor._embody(cell)  # noqa: SLF001 - so that `__init__` finds all of an actor
        try:
            actor_class.__init__(actor, *args, **kwargs)
            actor._name_cell()  # noqa: SLF001
            if actor.registered_name is not None:
                self.names.register(actor.registered_name, cell.ref)
        except BaseException as error:  # noqa: BLE001 - whatever fails here is a failed start
            cell.finish(Crash(error))
            return cell
        pykka.ActorRegistry.register(cell.ref)
        with self.lock:
            self._alive.add(cell)
        if parent is not None and parent.link(cell) and parent.sealed:
            cell.exit(KILLED, parent)
        host.call(partial(_bear, actor))
        return cell

    def _host_for(self, actor_class: "type[Actor]", parent: Cell | None) -> Host:
        if not actor_class.dedicated_host:
            return self.main if parent is None else parent.host
        host = Host.launch(actor_class.__name__, dedicated=True)
        self._hosts.add(host)
        host.ended.when_done(partial(self._hosts.discard, host))
        return host

    def forget(self, cell: Cell) -> None:
        """Drop a cell that has ended. For `Cell.finish`, under the lock."""
        self._alive.discard(cell)

    async def close(self) -> None:
        """Kill everyone who is left; wait for their end, and for that of their threads.

        A thread that is stuck in a blocking call is given `kill_grace_s`, then left behind.
        """
        while left := self.actors:  # those who die may start others
            for ref in left:
                ref.kill()
            for ref in left:
                await ref.ended()
        await asyncio.gather(*(host.join(self.kill_grace_s) for host in tuple(self._hosts)))

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


def _bear(actor: "Actor") -> None:
    """Start the actor's task, on its host."""
    cell = actor._cell  # noqa: SLF001
    task = cell.host.create_task(actor._life(), name=cell.label)  # noqa: SLF001
    # A loop that is torn down may cancel the task before its first step: it never runs then.
    task.add_done_callback(lambda _: cell.finish(cell.pending_exit or KILLED))


_default_lock = threading.Lock()


@cache
def _make_default_system() -> System:
    return System(Host.launch("taskqueue-default"))


def default_system() -> System:
    """Return the system of pykka-style `start` calls; its main host is a thread of its own."""
    with _default_lock:  # a cache alone would let two threads make two
        return _make_default_system()


__all__ = ["NameTaken", "System", "default_system"]
