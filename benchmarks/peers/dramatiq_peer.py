"""Dramatiq, on RabbitMQ or on Redis: two processes of eight threads, as it starts by default.

RabbitMQ confirms each message, so that an accepted task is one. Dramatiq keeps no results unless it
is given a store for them, so it does not say what has finished.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import dramatiq
from dramatiq.broker import Broker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers import ledger
from benchmarks.peers.peer import address

# Redis does not see a worker die, as RabbitMQ does. After so long its tasks are given to others, by
# one in ten commands.
SILENT_MS = 5_000
MAINTENANCE_PER_MILLION = 100_000


def _broker(url: str) -> Broker:
    if url.startswith("amqp:"):
        return RabbitmqBroker(url=url, confirm_delivery=True)
    return RedisBroker(  # type: ignore[no-untyped-call]
        url=url, heartbeat_timeout=SILENT_MS, maintenance_chance=MAINTENANCE_PER_MILLION
    )


dramatiq.set_broker(_broker(address()))


def _note(number: int) -> None:
    ledger.note(number)


note = dramatiq.actor(actor_name="note")(_note)


async def install() -> None:
    """Make nothing: the broker makes its queues."""


def worker(_: int) -> Sequence[str]:
    """Return the command of its manual."""
    size = ("--processes", "2", "--threads", "8")
    return (sys.executable, "-m", "dramatiq", *size, "--skip-logging", __name__)


class DramatiqProducer:
    """Sends messages."""

    async def enqueue(self, number: int) -> None:
        """Send one message."""
        note.send(number)

    async def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Send them one by one: Dramatiq has no other way."""
        for number in numbers:
            note.send(number)

    async def finished(self) -> None:
        """Return None."""


@asynccontextmanager
async def producing() -> AsyncIterator[DramatiqProducer]:
    """Connect at the first message."""
    yield DramatiqProducer()
