"""What goes wrong with actors, on command.

    await crash(system, "consumers/consumer-1", ZeroDivisionError("a bug"))
    await kill(system, "queue")
    await kill_processes(system, "consumers/consumer-1")
    frozen = await freeze(system, "consumers/consumer-1")
    ...
    frozen.thaw()

An actor is named by its place in the tree, below the root. A storage that fails is in
`taskqueue.testing.storage`.
"""

import contextlib
import os
import signal
import threading
from functools import partial

from taskqueue.actors.messages import GetProcesses
from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import ActorRef, Crash, Reply, System, ask
from taskqueue.supervision import find
from taskqueue.supervisor import ROOT


class Frozen:
    """An actor whose thread stands still, as that of a worker which computes or swaps."""

    def __init__(self, ref: ActorRef) -> None:
        self.ref = ref
        self.still: Reply[None] = Reply()
        self._thawed = threading.Event()

    def thaw(self) -> None:
        """Let it go on. Harmless when it does."""
        self._thawed.set()

    def hold(self) -> None:
        """Stand still. On the actor's thread."""
        self.still.set()
        self._thawed.wait()


async def crash(system: System, path: str, error: BaseException) -> None:
    """End the actor as if `error` had escaped from its code; return when it has ended.

    It is a bug of its own, so it gets to clean up: a consumer lets its handlers run out, and hands
    back what it has to cut.

    Raises:
        ActorUnavailable: no actor runs at `path`.
    """
    ref = await _whois(system, path)
    ref.cell.host.call(partial(ref.cell.fail, Crash(error)))
    await ref.ended()


async def kill(system: System, path: str) -> None:
    """End the actor without a chance to clean up; return when it has ended.

    The attempts that a consumer was busy with are recorded as crashed.

    Raises:
        ActorUnavailable: no actor runs at `path`.
    """
    ref = await _whois(system, path)
    ref.kill()
    await ref.ended()


async def kill_processes(system: System, path: str) -> tuple[int, ...]:
    """Kill the processes in which a consumer runs handlers, as the OOM killer would.

    Returns their ids: those that were busy, and those that were kept for the next handler.

    Raises:
        ActorUnavailable: no consumer runs at `path`.
    """
    pids = await ask(await _whois(system, path), GetProcesses())
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, signal.SIGKILL)
    return pids


async def freeze(system: System, path: str) -> Frozen:
    """Stop the actor's thread; return when it stands still.

    Handlers, timers and messages of a consumer wait until it is thawed. So does its end: unlike a
    process, a thread cannot be killed, and an actor that is killed while frozen is abandoned.

    Raises:
        ActorUnavailable: no actor runs at `path`.
        ValueError: the actor shares its thread with the caller.
    """
    ref = await _whois(system, path)
    if ref.cell.host is system.main:
        raise ValueError(f"{path} lives on the main thread; only consumers have one of their own")
    frozen = Frozen(ref)
    ref.cell.host.post(frozen.hold)
    await frozen.still
    return frozen


async def _whois(system: System, path: str) -> ActorRef:
    root = system.address(ROOT).whereis()
    ref = None if root is None else await find(root, f"{ROOT}/{path.removeprefix(f'{ROOT}/')}")
    if ref is None:
        raise ActorUnavailable(path)
    return ref
