"""An actor system: hosts, names and actors, the counterpart of an Erlang node."""

import asyncio
import threading
from functools import cache
from types import TracebackType
from typing import Any, Self

from taskqueue.runtime.host import Host
from taskqueue.runtime.lifecycle import Lifecycle
from taskqueue.runtime.ref import ActorRef
from taskqueue.runtime.reply import refuse_to_block
from taskqueue.runtime.starting import begin, launch
from taskqueue.runtime.world import World


class System(World):
    """Actors that know each other by name.

    As a context manager it leaves no actor alive:

        async with System() as system:
            ref = await system.spawn(Greeter)
    """

    def __init__(self, main: Host | None = None, *, kill_grace_s: float = 1.0) -> None:
        """Make a system whose main host is `main`, else the running loop.

        Args:
            main: the host of actors without a dedicated one.
            kill_grace_s: how long a killed actor may take to notice before it is abandoned.
        """
        super().__init__(main or Host.adopt(), kill_grace_s)

    async def spawn(self, actor_class: type[Lifecycle], *args: Any, **kwargs: Any) -> ActorRef:
        """Start an actor that has no parent and no links.

        Raises:
            StartFailed, Ignore: as `Actor.start_link`.
        """
        return await launch(self, actor_class, None, args, kwargs)

    def spawn_blocking(self, actor_class: type[Lifecycle], *args: Any, **kwargs: Any) -> ActorRef:
        """Start an actor from a thread without a loop; block until it runs.

        Raises:
            StartFailed, Ignore: as `Actor.start_link`.
            RuntimeError: this thread runs a loop.
        """
        refuse_to_block()
        return begin(self, actor_class, None, args, kwargs).started.get()

    async def close(self) -> None:
        """Kill all remaining actors; wait for them and their threads to end.

        A thread that is stuck in a blocking call gets `kill_grace_s`, and is then left behind.
        """
        while left := self.actors:  # actors that end may start others
            for ref in left:
                ref.kill()
            for ref in left:
                await ref.ended()
        await asyncio.gather(*(host.join(self.kill_grace_s) for host in self.hosts))

    async def __aenter__(self) -> Self:
        """Enter."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave no actor alive."""
        await self.close()


_default_lock = threading.Lock()


@cache
def _make_default_system() -> System:
    return System(Host.launch("taskqueue-default"))


def default_system() -> System:
    """Return the system of pykka-style `start` calls; its main host is a thread of its own."""
    with _default_lock:  # a cache alone would let two threads make two
        return _make_default_system()
