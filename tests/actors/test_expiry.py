"""A task that has not started in time is cancelled, wherever it waits, and never begins."""

import asyncio
import threading

from taskqueue import App, Context, Snooze
from taskqueue.events import Buffer, Event, events
from taskqueue.rules.expiry import EXPIRED
from taskqueue.rules.tasks import Status
from taskqueue.testing.engine import Engine


async def ends(buffer: Buffer[Event], tasks: int) -> list[object]:
    """Return the ids of so many tasks, in the order in which they were cancelled."""
    told: list[object] = []
    async with asyncio.timeout(20):
        while len(told) < tasks:
            cancelled = (each for each in await buffer.next() if each.name == "task_cancelled")
            told += [each.fields["task_id"] for each in cancelled]
    return told


async def test_a_task_expires_while_its_queue_is_paused_and_that_is_told() -> None:
    app = App()

    @app.task(expires_s=60)
    async def greet() -> None: ...

    async with Engine(app) as engine:
        with events.subscribed(Buffer[Event](1_000)) as buffer:
            await engine.storage.pause("default", now=engine.clock.now())
            usual = await greet.enqueue()
            sooner = await greet.with_options(expires_s=5).enqueue()
            await engine.advance(59)
            statuses = [(await engine.task(each)).status for each in (usual, sooner)]
            await engine.advance(2)
            told = await ends(buffer, 2)
        expired = await engine.task(usual)

    assert statuses == [Status.QUEUED, Status.CANCELLED]
    assert (expired.status, expired.reason, expired.attempt) == (Status.CANCELLED, EXPIRED, 0)
    assert told == [sooner, usual]


async def test_a_task_that_expires_in_the_buffer_does_not_begin() -> None:
    app = App()
    began, go_on = threading.Event(), threading.Event()
    numbers: list[int] = []

    @app.task
    def note(number: int) -> None:
        numbers.append(number)
        began.set()
        go_on.wait(20)

    async with Engine(app) as engine:
        await note.enqueue(number=1)
        await asyncio.to_thread(began.wait, 20)
        late = await note.with_options(expires_s=5).enqueue(number=2)
        engine.clock.advance(6)
        go_on.set()
        await engine.drain()
        task = await engine.task(late)

    assert (task.status, task.reason) == (Status.CANCELLED, EXPIRED)
    assert numbers == [1]


async def test_expiry_concerns_the_first_start_only() -> None:
    app = App()
    starts: list[float] = []

    @app.task
    async def begin_thrice(ctx: Context) -> int:
        starts.append(ctx.attempt)
        if len(starts) == 1:
            raise Snooze(5)
        if len(starts) == 2:
            raise ConnectionError("not yet")
        return ctx.attempt

    async with Engine(app) as engine:
        task_id = await begin_thrice.with_options(expires_s=1).enqueue()
        await engine.drain()
        task = await engine.task(task_id)

    assert (task.status, task.attempt, starts) == (Status.COMPLETED, 2, [1, 1, 2])
