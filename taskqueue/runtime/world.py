"""The shared state of the actors of one system: hosts, names, the living actors."""

import threading
from functools import partial

from taskqueue.runtime.host import Host
from taskqueue.runtime.names import Names
from taskqueue.runtime.ref import ActorRef


class World:
    """The actors of one system. Safe from any thread."""

    def __init__(self, main: Host, kill_grace_s: float) -> None:
        self.main = main
        self.kill_grace_s = kill_grace_s
        self.names = Names()
        self.lock = threading.RLock()
        self._alive: set[ActorRef] = set()
        self._hosts: set[Host] = set()  # of the dedicated kind, until their threads are gone

    @property
    def actors(self) -> tuple[ActorRef, ...]:
        """Every living actor, in no particular order."""
        with self.lock:
            return tuple(self._alive)

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The threads that belong to one actor each."""
        return tuple(self._hosts)

    def add_host(self, host: Host) -> None:
        """Add the thread of an actor, until it ends."""
        self._hosts.add(host)
        host.ended.when_done(partial(self._hosts.discard, host))

    def add(self, ref: ActorRef) -> None:
        """Add an actor that is about to start."""
        with self.lock:
            self._alive.add(ref)

    def forget(self, ref: ActorRef) -> None:
        """Drop an actor that has ended."""
        with self.lock:
            self._alive.discard(ref)

    def address(self, name: str) -> "Address":
        """Return the address of `name`."""
        return Address(self, name)


class Address:
    """A name, which is looked up each time a message is sent.

    A reference identifies one incarnation. An address stays valid when the actor is restarted.
    """

    __slots__ = ("name", "system")

    def __init__(self, system: World, name: str) -> None:
        self.system = system
        self.name = name

    def whereis(self) -> ActorRef | None:
        """Return the actor that has the name now, or None."""
        return self.system.names.whereis(self.name)

    def __str__(self) -> str:
        """Return the name."""
        return self.name
