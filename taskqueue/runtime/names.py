"""Names: how actors find each other across restarts.

A unique name belongs to one living actor; it is free again before any other actor is notified of
that actor's end. A group is a name that several actors share. Source: OTP, `erlang:register/2`;
Elixir, `Registry` with unique and with duplicate keys.
"""

import threading

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime.ref import ActorRef


class NameTaken(Exception):
    """The name belongs to a living actor, `holder`."""

    def __init__(self, name: str, holder: ActorRef) -> None:
        self.name = name
        self.holder = holder
        super().__init__(f"name {name!r} is taken by {holder}")


class Names:
    """The names of one actor system; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._unique: dict[str, ActorRef] = {}
        self._groups: dict[str, list[ActorRef]] = {}
        self._carried: dict[ActorRef, list[str]] = {}  # so that an end costs what it carried

    def register(self, name: str, ref: ActorRef) -> None:
        """Give `ref` the unique `name`.

        Raises:
            NameTaken: another living actor has it.
            ActorUnavailable: `ref` has ended.
        """
        with self._lock:
            _refuse_the_dead(ref)
            holder = self._unique.setdefault(name, ref)
            if holder is not ref:
                raise NameTaken(name, holder)
            self._carried.setdefault(ref, []).append(name)

    def whereis(self, name: str) -> ActorRef | None:
        """Return the actor that is registered as `name`, or None."""
        return self._unique.get(name)

    def join(self, group: str, ref: ActorRef) -> None:
        """Add `ref` to a group, once.

        Raises:
            ActorUnavailable: `ref` has ended.
        """
        with self._lock:
            _refuse_the_dead(ref)
            members = self._groups.setdefault(group, [])
            if ref not in members:
                members.append(ref)
                self._carried.setdefault(ref, []).append(group)

    def members(self, group: str) -> tuple[ActorRef, ...]:
        """Return the members of a group, in the order they joined."""
        with self._lock:
            return tuple(self._groups.get(group, ()))

    def release(self, ref: ActorRef) -> None:
        """Free all names of `ref` and remove it from its groups."""
        with self._lock:
            for name in self._carried.pop(ref, ()):
                if self._unique.get(name) is ref:
                    del self._unique[name]
                members = self._groups.get(name)
                if members is not None and ref in members:
                    members.remove(ref)
                    if not members:
                        del self._groups[name]


def _refuse_the_dead(ref: ActorRef) -> None:
    """Raise if `ref` has freed its names already: it would never free another."""
    if ref.cell.sealed:
        raise ActorUnavailable(ref.label, ref.exit_reason)
