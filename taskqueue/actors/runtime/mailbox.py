"""A mailbox: what waits for an actor, in order, from any thread.

Two lanes: system messages (exit signals from the parent, suspend, get_state) go first; ordinary
messages keep their order and wait while the actor is suspended.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from pykka._envelope import Envelope

from taskqueue.actors.runtime.host import Host

Message: TypeAlias = Envelope[Any]


class Mailbox:
    """An actor's inbox. Nothing put is forgotten: the actor takes it, or it is refused.

    It needs no lock, because the operations of a deque are atomic and each side acts before it
    looks: `put` adds, then looks whether somebody waits or has closed; the actor says that it
    waits, then looks whether there is something; `close` says so, then takes out what is left.
    """

    __slots__ = ("_host", "_ordinary", "_refuse", "_suspended", "_system", "_waiting")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._ordinary: deque[Message] = deque()
        self._system: list[Message] = []
        self._waiting: list[asyncio.Future[None]] = []  # the actor, if it waits
        self._suspended = False
        self._refuse: Callable[[Message], None] | None = None

    def put(self, envelope: Message) -> None:
        """Add an ordinary message; a closed mailbox refuses it (which answers an ask)."""
        self._ordinary.append(envelope)
        if self._refuse is not None:
            self._take_back(envelope, self._ordinary, self._refuse)
        elif self._waiting:
            self._wake()

    def put_system(self, envelope: Message) -> None:
        """Add a message that goes before all ordinary ones and is not held by `suspend`."""
        self._system.append(envelope)
        if self._refuse is not None:
            self._take_back(envelope, self._system, self._refuse)
        elif self._waiting:
            self._wake()

    def take(self) -> Message | None:
        """Return the next message for its actor, None if it has to wait. For the actor alone."""
        if self._system:
            return self._system.pop(0)
        if self._suspended or not self._ordinary:
            return None
        return self._ordinary.popleft()

    def waiter(self) -> "asyncio.Future[None]":
        """Return a future that is done when `take` has something to give. For the actor alone."""
        waiter = self._host.loop.create_future()
        self._waiting.append(waiter)
        if self._system or (self._ordinary and not self._suspended):
            self._wake()
        return waiter

    def suspend(self) -> None:
        """Hold ordinary messages back."""
        self._suspended = True

    def resume(self) -> None:
        """Give ordinary messages out again."""
        self._suspended = False

    def discard(self, unwanted: Callable[[Any], bool]) -> None:
        """Take out the ordinary messages that are unwanted. For the actor alone."""
        for envelope in [*self._ordinary]:
            if unwanted(envelope.message):
                self._ordinary.remove(envelope)

    def close(self, refuse: Callable[[Message], None]) -> None:
        """Refuse what waits, and what comes from now on."""
        self._refuse = refuse
        for lane in (self._system, self._ordinary):
            for envelope in [*lane]:
                self._take_back(envelope, lane, refuse)

    def __len__(self) -> int:
        """Return how many ordinary messages wait."""
        return len(self._ordinary)

    def empty(self) -> bool:
        """Tell whether nothing waits (for pykka)."""
        return not self._ordinary and not self._system

    def get(self) -> Message:
        """Refuse pykka's blocking read: an actor on a loop awaits its messages."""
        raise RuntimeError("a mailbox on a loop is read by its actor only")

    @staticmethod
    def _take_back(
        envelope: Message, lane: "deque[Message] | list[Message]", refuse: Callable[[Message], None]
    ) -> None:
        with contextlib.suppress(ValueError):  # somebody else took it out, and answers for it
            lane.remove(envelope)
            refuse(envelope)

    def _wake(self) -> None:
        try:
            waiter = self._waiting.pop()
        except IndexError:  # another thread does it
            return
        if not self._host.is_current():
            self._host.post(lambda: None if waiter.done() else waiter.set_result(None))
        elif not waiter.done():
            waiter.set_result(None)
