"""SIGKILL while schedules fire: each slot has one task, and none is left out."""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.services import Services

pytestmark = [pytest.mark.long, pytest.mark.forked]

FLAGS = ("--app", "tests.system.ticking_app:app")
KILLS = 8


@pytest.mark.timeout(240)
async def test_each_slot_has_one_task_however_often_the_service_is_killed(
    services: Services,
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    draw = random.Random(seed)

    for _ in range(KILLS):
        life = await services.start(*FLAGS)
        await life.wait_for("schedule_fired", nth=draw.randint(1, 60))
        life.kill()
        await life.wait()
    last = await services.start(*FLAGS)
    await last.wait_for("schedule_fired", nth=60)
    await last.stop()

    slots, texts = read(services.folder / "data/tasks.db")
    assert Counter(texts) == Counter(slots)
    assert max(Counter(slots).values()) == 1
    for number in range(20):
        of_one = sorted(at for name, at in slots if name == number)
        assert of_one == [of_one[0] + second for second in range(len(of_one))]


def read(path: Path) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the slots that fired, and those that the tasks name, as schedule and second."""
    with closing(sqlite3.connect(path)) as db:
        slots = db.execute("SELECT schedule, at FROM schedule_slots WHERE outcome = 'fired'")
        fired = [(int(name[-2:]), int(at)) for name, at in slots.fetchall()]
        tasks = db.execute(
            "SELECT substr(text, 1, 2), unixepoch(substr(text, 4)) FROM "
            "(SELECT payload ->> '$.data.slot' AS text FROM tasks)"
        )
        return fired, [(int(number), int(at)) for number, at in tasks.fetchall()]
