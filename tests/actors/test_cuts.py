"""The storage is cut off a hundred times at random moments under load: nobody stalls.

`TEST_CUTS_SEED` repeats a run.
"""

import asyncio
import contextlib
import os
import random

from taskqueue.errors import ActorError, StorageUnavailable
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import World

SEED = int(os.environ.get("TEST_CUTS_SEED", random.randrange(2**32)))
CUTS = 100
LONGEST_S = 0.02  # of a cut, and of the time between two


async def test_a_hundred_cuts_of_the_storage_stall_nobody(
    world: World, storage: FaultyStorage
) -> None:
    print(f"seed {SEED}")  # noqa: T201
    draw = random.Random(SEED)
    accepted: list[str] = []

    async def post() -> None:
        while True:
            with contextlib.suppress(ActorError, StorageUnavailable):
                accepted.append(await world.enqueue("quick"))
            await asyncio.sleep(0.001)

    await world.start(consumers=2)
    posting = asyncio.create_task(post())
    for cut in range(1, CUTS + 1):
        await asyncio.sleep(draw.random() * LONGEST_S)  # not to wait, but to hit any line
        storage.break_down()
        await world.events.wait_for("storage_degraded", nth=cut)
        await asyncio.sleep(draw.random() * LONGEST_S)
        done = len(world.events.select("task_completed"))
        storage.repair()
        await world.events.wait_for("task_completed", nth=done + 1)  # work goes on each time
    posting.cancel()
    await asyncio.wait({posting})

    await world.completed(*accepted)
    assert world.events.select("child_terminated") == []
    assert world.events.select("task_rescued") == []
    assert (await world.readiness()).ready
