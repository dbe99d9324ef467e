"""The consumers: how many there are, at the start and while running."""

from collections.abc import Iterable
from functools import partial

from taskqueue.actors.consumer import CANCEL_GRACE_S, ConsumerActor, ConsumerSettings
from taskqueue.actors.runtime import Target
from taskqueue.app import App
from taskqueue.supervision import (
    ChildSpec,
    ChildState,
    delete_child,
    overview,
    start_child,
    terminate_child,
)


def consumer_spec(number: int, app: App, settings: ConsumerSettings) -> ChildSpec:
    """Return the specification of `consumer-<number>`, whose stop waits for its handlers."""
    name = f"consumer-{number}"
    return ChildSpec(
        id=name,
        start=partial(ConsumerActor.start_link, name, app, settings),
        shutdown=settings.drain_s + 2 * CANCEL_GRACE_S,
    )


def consumer_specs(count: int, app: App, settings: ConsumerSettings) -> Iterable[ChildSpec]:
    """Return the specifications of `consumer-1` to `consumer-<count>`."""
    return [consumer_spec(number, app, settings) for number in range(1, count + 1)]


async def resize(supervisor: Target, count: int, app: App, settings: ConsumerSettings) -> None:
    """Have `count` consumers from now on: add missing ones, or drain and remove the last ones.

    Raises:
        ChildStartFailed: a consumer did not start; those before it run.
        ActorUnavailable: the supervisor is not there, or ended meanwhile.
    """
    present = {_number(child) for child in (await overview(supervisor)).children}
    wanted = set(range(1, count + 1))
    for number in sorted(wanted - present):
        await start_child(supervisor, consumer_spec(number, app, settings))
    for number in sorted(present - wanted, reverse=True):
        await terminate_child(supervisor, f"consumer-{number}")
        await delete_child(supervisor, f"consumer-{number}")


def _number(child: ChildState) -> int:
    return int(child.id.rpartition("-")[2])
