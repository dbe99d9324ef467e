"""The loop gets its turn however many attempts follow each other."""

import asyncio

from taskqueue.executors.turns import Turns


async def follow(turns: Turns, other: "asyncio.Task[None]") -> int:
    """Begin attempts that never wait, until the other task has run; return how many."""
    attempts = 0
    while not other.done():
        if turns.is_over:
            await turns.begin()
        attempts += 1
    return attempts


async def test_many_attempts_share_a_turn_and_none_lasts_for_ever() -> None:
    turns = Turns()

    for _ in range(3):
        other = asyncio.create_task(asyncio.sleep(0))
        assert await follow(turns, other) > 1


async def test_slots_that_follow_each_other_share_a_turn() -> None:
    turns = Turns()
    other = asyncio.create_task(asyncio.sleep(0))

    await asyncio.gather(follow(turns, other), follow(turns, other))

    assert other.done()


async def test_the_first_attempt_of_a_turn_does_not_wait_for_the_next() -> None:
    turns = Turns()
    other = asyncio.create_task(asyncio.sleep(0))

    await turns.begin()

    assert not turns.is_over
    assert not other.done()
