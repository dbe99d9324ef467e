"""The counts of groups are those of their tasks, wherever the process was killed."""

import asyncio
import random
import sqlite3
import sys
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

from taskqueue.rules.tasks import ENDED, Status

ROOT = Path(__file__).parents[2]
KILLS = 6
LIMIT_S = 60.0
LIVE = [str(status) for status in Status if status not in ENDED]


async def test_counts_and_what_follows_are_exact_wherever_a_kill_comes(tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201
    draw = random.Random(seed)
    path = tmp_path / "tasks.db"

    for _ in range(KILLS):
        await write_until_killed(path, draw)
        ended = check(path)

    assert ended


async def write_until_killed(path: Path, draw: random.Random) -> None:
    """Have a process write, and kill it shortly after some of its commits."""
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.system.grouped_writer", str(path), str(draw.random())),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert writer.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_S):
            for _ in range(draw.randint(10, 60)):
                assert await writer.stdout.readline()
        await asyncio.sleep(draw.uniform(0, 0.005))  # into the next commits
    finally:
        writer.kill()
        await writer.wait()


def check(path: Path) -> int:
    """Compare groups with rows; return how many groups have ended."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("BEGIN")  # its writer may still be ending a commit
        rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for group, status in db.execute("SELECT group_name, status FROM tasks"):
            rows[group][status] += 1
        ids = {task_id for (task_id,) in db.execute("SELECT id FROM tasks")}
        columns = ", ".join(Status)
        groups = db.execute(
            f"SELECT name, closed_at, ended_at, then_at, then_id, {columns} FROM task_groups"
        ).fetchall()
    assert {name for name, *_ in groups} == rows.keys() - {None}
    for name, closed_at, ended_at, then_at, then_id, *counts in groups:
        assert dict(zip(Status, counts, strict=True)) == {s: rows[name][s] for s in Status}
        is_over = closed_at is not None and not sum(rows[name][status] for status in LIVE)
        assert (ended_at is not None, then_at is not None) == (is_over, is_over)
        assert (then_id in ids) == is_over
    ended = sum(ended_at is not None for _, _, ended_at, *_ in groups)
    assert rows[None].total() == ended  # type: ignore[index]  # what follows is in no group
    return ended
