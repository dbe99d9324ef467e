"""A clock that is moved by hand wakes who waits for what has come."""

import asyncio

from taskqueue.testing.clock import START, ManualClock


async def waiting(clock: ManualClock, timeout_s: float) -> "asyncio.Task[None]":
    """Begin a wait; it is under way on return."""
    wait = asyncio.create_task(clock.wait(asyncio.Event(), timeout_s))
    await asyncio.sleep(0)
    return wait


async def test_it_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()

    clock.advance(1.5)
    clock.advance_to(START)

    assert clock.now() == clock.monotonic() == START + 1.5


async def test_a_wait_ends_when_its_time_has_come_and_not_before() -> None:
    clock = ManualClock()
    early, late = await waiting(clock, 10), await waiting(clock, 20)

    clock.advance(9.9)
    await asyncio.sleep(0)
    too_early = early.done()
    clock.advance(0.1)
    await early
    was_late_done = late.done()
    clock.advance(3600)
    await late

    assert (too_early, was_late_done) == (False, False)


async def test_a_wait_ends_with_its_event() -> None:
    clock, event = ManualClock(), asyncio.Event()
    wait = asyncio.create_task(clock.wait(event, 10))

    event.set()
    await wait
    clock.advance(3600)  # nobody waits any more

    assert clock.now() == START + 3600


async def test_a_wait_that_is_due_twice_over_ends_once() -> None:
    clock = ManualClock()
    wait = await waiting(clock, 1)

    clock.advance(1)
    clock.advance(1)

    await wait


async def test_a_wait_is_cancelled_like_any_other() -> None:
    clock = ManualClock()
    wait = await waiting(clock, 1)

    wait.cancel()
    await asyncio.wait({wait})
    clock.advance(1)

    assert wait.cancelled()
