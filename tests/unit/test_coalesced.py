"""Calls that come while something is done share one more run."""

import asyncio

import pytest

from taskqueue.actors.coalesced import Coalesced


class Slow:
    """Something that takes until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Semaphore(0)
        self.changed = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        self.changed.set()
        await self.go.acquire()

    async def begins(self) -> None:
        async with asyncio.timeout(5):
            await self.changed.wait()
        self.changed.clear()


async def test_however_many_calls_come_during_a_run_one_more_serves_them() -> None:
    slow = Slow()
    coalesced = Coalesced(slow)
    first = asyncio.create_task(coalesced())
    await slow.begins()

    others = [asyncio.create_task(coalesced()) for _ in range(1_000)]
    slow.go.release()
    await first
    await slow.begins()  # after all of them were called
    are_served_early = any(each.done() for each in others)
    slow.go.release()
    await asyncio.gather(*others)

    assert slow.begun == 2
    assert not are_served_early


async def test_calls_one_after_the_other_are_runs_of_their_own() -> None:
    slow = Slow()
    coalesced = Coalesced(slow)
    for _ in range(3):
        slow.go.release()
        await coalesced()

    assert slow.begun == 3


async def test_a_run_that_fails_serves_nobody_but_its_caller() -> None:
    runs: list[int] = []

    async def run() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("once")

    coalesced = Coalesced(run)
    first, second = asyncio.create_task(coalesced()), asyncio.create_task(coalesced())

    with pytest.raises(ValueError, match="once"):
        await first
    await second

    assert len(runs) == 2
