"""A mailbox: what waits for an actor, in order, from any thread.

Two lanes: system messages (exit signals from the parent, suspend, get_state) go first; ordinary
messages keep their order and wait while the actor is suspended.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from pykka._envelope import Envelope

from taskqueue.actors.runtime.host import Host

Message: TypeAlias = Envelope[Any]


class Mailbox:
    """An actor's inbox. Closing it and putting into it exclude each other, so that nothing put
    can be forgotten: either the actor gets it, or `close` returns it, or `put` refuses it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordinary: deque[Message] = deque()
        self._system: deque[Message] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._suspended = False
        self._refuse: Callable[[Message], None] | None = None
        self.host: Host

    def put(self, envelope: Message) -> None:
        """Add an ordinary message; a closed mailbox refuses it (which answers an ask)."""
        with self._lock:
            refuse = self._refuse
            if refuse is None:
                self._ordinary.append(envelope)
                waiter = None if self._suspended else self._take_waiter()
        if refuse is not None:
            refuse(envelope)
        elif waiter is not None:
            self._wake(waiter)

    def put_system(self, envelope: Message) -> None:
        """Add a message that goes before all ordinary ones and is not held by `suspend`."""
        with self._lock:
            refuse = self._refuse
            if refuse is None:
                if self._system is None:
                    self._system = deque()
                self._system.append(envelope)
                waiter = self._take_waiter()
        if refuse is not None:
            refuse(envelope)
        elif waiter is not None:
            self._wake(waiter)

    def take(self) -> Message | None:
        """Return the next message for its actor, None if it has to wait."""
        if self._system:
            return self._system.popleft()
        if self._suspended:
            return None
        try:
            return self._ordinary.popleft()
        except IndexError:
            return None

    async def wait(self) -> None:
        """Wait until `take` has something to give. For the actor alone."""
        with self._lock:
            if self._system or (self._ordinary and not self._suspended):
                return
            self._waiter = waiter = asyncio.get_running_loop().create_future()
        await waiter

    def suspend(self) -> None:
        """Hold ordinary messages back."""
        self._suspended = True

    def resume(self) -> None:
        """Give ordinary messages out again."""
        self._suspended = False

    def discard(self, unwanted: Callable[[Any], bool]) -> list[Any]:
        """Take out the ordinary messages that are unwanted and return them, oldest first."""
        with self._lock:
            taken = [e.message for e in self._ordinary if unwanted(e.message)]
            if taken:
                kept = [e for e in self._ordinary if not unwanted(e.message)]
                self._ordinary.clear()
                self._ordinary.extend(kept)
        return taken

    def close(self, refuse: Callable[[Message], None]) -> Iterable[Message]:
        """Refuse what comes from now on; return what still waited. Only the first call counts."""
        with self._lock:
            if self._refuse is not None:
                return ()
            self._refuse = refuse
            left = [*(self._system or ()), *self._ordinary]
            self._ordinary.clear()
            self._system = None
            return left

    def __len__(self) -> int:
        """Return how many ordinary messages wait."""
        return len(self._ordinary)

    def empty(self) -> bool:
        """Tell whether nothing waits (for pykka)."""
        return not self._ordinary and not self._system

    def get(self) -> Message:
        """Refuse pykka's blocking read: an actor on a loop awaits its messages."""
        raise RuntimeError("a mailbox on a loop is read by its actor only")

    def _take_waiter(self) -> "asyncio.Future[None] | None":
        waiter, self._waiter = self._waiter, None
        return waiter

    def _wake(self, waiter: "asyncio.Future[None]") -> None:
        if self.host.is_current():
            if not waiter.done():
                waiter.set_result(None)
        else:
            self.host.post(lambda: None if waiter.done() else waiter.set_result(None))
