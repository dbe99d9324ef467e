"""What is done to one node after the other."""

import contextlib
import os
import random
import signal
from collections.abc import Iterator, Mapping

from taskqueue.verification.kept import KeptService
from tests.torture.harass import Fault
from tests.torture.nodes.site import LEASE_S, NodesSite
from tests.torture.service_faults import SERVICE_FAULTS, descendants, freeze, kill


def of_a_node(fault: Fault[KeptService]) -> Fault[NodesSite]:
    """Do to one of the nodes what is done to a service."""

    async def of_site(site: NodesSite, draw: random.Random) -> bool:
        with site.harmed(draw) as node:
            await node.service.ready()
            return await fault(node.service, draw)

    return of_site


async def kill_node(site: NodesSite, draw: random.Random) -> bool:
    """kill -9."""
    with site.harmed(draw) as node:
        site.note_death(node.name)
        return await kill(node.service, draw)


async def freeze_node(site: NodesSite, draw: random.Random) -> bool:
    """SIGSTOP for longer than a lease: the others take its tasks, and its tokens are void."""
    with site.harmed(draw) as node:
        await node.service.ready()
        with site.outage(node.name), _frozen_children(node.service.pid):
            return await freeze(draw.uniform(1.1, 1.6) * LEASE_S, node.service)


async def freeze_node_briefly(site: NodesSite, draw: random.Random) -> bool:
    """SIGSTOP for less than a lease, which it keeps."""
    with site.harmed(draw) as node:
        await node.service.ready()
        with site.outage(node.name), _frozen_children(node.service.pid):
            return await freeze(draw.uniform(0.05, 0.4) * LEASE_S, node.service)


@contextlib.contextmanager
def _frozen_children(pid: int) -> Iterator[None]:
    """Freeze the processes of the executors, as a machine that stands still does."""
    children = [*descendants(pid)]
    _send(children, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(children, signal.SIGCONT)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


NODE_FAULTS: Mapping[str, Fault[NodesSite]] = {
    **{name: of_a_node(fault) for name, fault in SERVICE_FAULTS.items()},
    "kill -9 of the service": kill_node,
}

FREEZES: Mapping[str, Fault[NodesSite]] = {
    "SIGSTOP past the lease": freeze_node,
    "SIGSTOP within the lease": freeze_node_briefly,
}
"""They take long, so other faults strike meanwhile."""
