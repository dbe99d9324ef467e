"""The tree: who runs in the service, who watches over whom. `python -m taskqueue.supervisor`.

Whoever reads `children` sees the running system: the roles are named together here alone.
"""

import socket
from dataclasses import dataclass
from functools import partial

from taskqueue.actors.consumer import ConsumerSettings
from taskqueue.actors.consumers import ConsumersSupervisor
from taskqueue.actors.database import DatabaseActor
from taskqueue.actors.gateway import GatewayActor
from taskqueue.actors.migration import MigrationActor
from taskqueue.actors.queue import QueueActor, QueueSettings
from taskqueue.actors.runtime import ActorRef, System
from taskqueue.app import App
from taskqueue.settings import Settings
from taskqueue.storage.sqlite import SQLiteStorage
from taskqueue.supervision import (
    ChildSpec,
    ChildType,
    Flags,
    Intensity,
    Restart,
    Supervisor,
)
from taskqueue.tasks import Owner

ROOT = "root"
ROOT_FLAGS = Flags(intensity=Intensity(max_restarts=10, period_s=30))

# Longer than the parts take on their own account, so that none is killed in the middle of it.
QUEUE_LIMIT_S = 10.0
DATABASE_LIMIT_S = 10.0
GATEWAY_LIMIT_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one life of the service is made of."""

    settings: Settings
    app: App
    owner: Owner
    door: socket.socket  # bound before the tree starts, and kept over restarts of the gateway


def children(plan: Plan) -> tuple[ChildSpec, ...]:
    """Return the root's children, in start order. They stop in reverse."""
    return (
        ChildSpec(
            id="database",
            start=partial(DatabaseActor.start_link, storage(plan.settings)),
            shutdown=DATABASE_LIMIT_S,
        ),
        ChildSpec(
            id="migration",
            start=MigrationActor.start_link,
            restart=Restart.TRANSIENT,
            one_shot=True,
        ),
        ChildSpec(
            id="queue",
            start=partial(QueueActor.start_link, plan.owner, queue(plan)),
            shutdown=QUEUE_LIMIT_S,
        ),
        ChildSpec(
            id="consumers",
            start=partial(
                ConsumersSupervisor.start_link,
                plan.settings.consumers,
                plan.app,
                consumers(plan.settings),
            ),
            type=ChildType.SUPERVISOR,
        ),
        ChildSpec(
            id="gateway",
            start=partial(GatewayActor.start_link, plan.door, plan.app),
            shutdown=GATEWAY_LIMIT_S,
        ),
    )


async def start(system: System, plan: Plan) -> ActorRef:
    """Start the whole tree; every part runs when this returns.

    Raises:
        StartFailed: a part did not start; those before it have been stopped.
    """
    return await system.spawn(Supervisor, ROOT, children(plan), ROOT_FLAGS)


def storage(settings: Settings) -> partial[SQLiteStorage]:
    """Return what makes the storage that these settings ask for."""
    return partial(SQLiteStorage, settings.database, synchronous=settings.synchronous)


def queue(plan: Plan) -> QueueSettings:
    """Return the queue's part of the plan."""
    return QueueSettings(
        queues=plan.app.queues,
        prefetch=plan.settings.prefetch,
        lease_s=plan.settings.lease_s,
        retry=plan.settings.retry,
    )


def consumers(settings: Settings) -> ConsumerSettings:
    """Return a consumer's part of the settings."""
    return ConsumerSettings(
        slots=settings.slots, drain_s=settings.drain_s, process=settings.process
    )


if __name__ == "__main__":
    from taskqueue.cli import main

    main()
