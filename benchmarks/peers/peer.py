"""What is asked of a task queue that is measured."""

import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

_ADDRESS = "BENCHMARK_ADDRESS"

AT_ONCE = 500  # tasks that a producer is asked to enqueue together


class Producer(Protocol):
    """Enqueues tasks that `note` a number in the ledger, as the peer's manual says."""

    async def enqueue(self, number: int) -> None:
        """Enqueue one; return when the peer has accepted it. Calls may overlap."""

    async def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Enqueue them all, in the best way that the peer has for many."""

    async def finished(self) -> int | None:
        """Return how many tasks the peer knows to have finished; None if it keeps no account."""


class Peer(Protocol):
    """One task queue: a module with these functions."""

    async def install(self) -> None:
        """Make what has to be there before its workers start, such as tables."""

    def worker(self, number: int) -> Sequence[str]:
        """Return the command that runs workers until a signal; empty if the producer runs them.

        With each further `number`, from 0 on, the fleet grows.
        """

    def producing(self) -> AbstractAsyncContextManager[Producer]:
        """Connect a producer, for as long as the block lasts."""


def address() -> str:
    """Return the URL of the server, or of the file, that the environment names."""
    return os.environ[_ADDRESS]


def set_address(url: str) -> None:
    """Have this process and those that it starts find the peer there."""
    os.environ[_ADDRESS] = url
