"""A backup is restored with the commands of the page."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from taskqueue.client.sync import Client
from tests.deploying.settings_table import PAGE
from tests.forked.service import ForkedService

LIMIT_S = 60.0
OF_ROOT = ("systemctl ", "chown ")


def commands(heading: str, folder: Path) -> tuple[str, ...]:
    """Return the shell commands below a heading of the page, for a folder instead of /var."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = [
        [line for line in block.splitlines() if not line.startswith(OF_ROOT)] for block in blocks
    ]
    return tuple("\n".join(block).replace("/var/", f"{folder}/") for block in lines)


def run(script: str, folder: Path) -> None:
    """Run a script, whose `taskqueue` is ours."""
    command = folder / "taskqueue"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m taskqueue "$@"\n')
    command.chmod(0o700)
    environ = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TASKQUEUE_DATABASE": str(folder / "lib/taskqueue/tasks.db"),
    }
    done = subprocess.run(
        ["sh", "-euxc", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr


async def test_a_backup_is_restored_as_the_page_says(tmp_path: Path) -> None:
    back_up, restore = commands("Backup and restore", tmp_path)
    (tmp_path / "backups/taskqueue").mkdir(parents=True)
    flags = ("--database", str(tmp_path / "lib/taskqueue/tasks.db"), "--consumers", "0")

    async with ForkedService(tmp_path, *flags) as service:
        with Client(service.url) as queue:
            kept = queue.enqueue("uppercase", text="before").id
            run(back_up, tmp_path)
            lost = queue.enqueue("uppercase", text="after").id
    run(restore, tmp_path)
    async with ForkedService(tmp_path, *flags) as service:
        with Client(service.url) as queue:
            found = [task.id for task in queue.tasks()]

    assert found == [kept]
    assert lost not in found
    assert (tmp_path / "lib/taskqueue/old/tasks.db").exists()


async def test_a_restored_schedule_fires_nothing_again_that_the_backup_knows(
    tmp_path: Path,
) -> None:
    back_up, restore = commands("Backup and restore", tmp_path)
    (tmp_path / "backups/taskqueue").mkdir(parents=True)
    database = tmp_path / "lib/taskqueue/tasks.db"
    flags = ("--database", str(database), "--app", "tests.deploying.ticking_app:app")

    async with ForkedService(tmp_path, *flags) as service:
        await service.wait_for("task_completed", nth=3)
        await asyncio.to_thread(run, back_up, tmp_path)
        noted = len(ticks(tmp_path))
        while len(ticks(tmp_path)) < noted + 2:  # noqa: ASYNC110 - another process writes them
            await asyncio.sleep(0.05)
    run(restore, tmp_path)
    known = completed(database)
    async with ForkedService(tmp_path, *flags) as service:
        await service.wait_for("task_completed", nth=5)

    after = completed(database)
    assert len(known) >= 3
    assert set(known) < set(after)
    assert len(after) == len(set(after)), "a slot has two tasks"
    assert [Counter(ticks(tmp_path))[slot] for slot in known] == [1] * len(known)


def ticks(folder: Path) -> list[str]:
    return (folder / "ticks").read_text().splitlines()


def completed(database: Path) -> list[str]:
    """Return the slots whose tasks have completed, in their order."""
    with closing(sqlite3.connect(database)) as db:
        query = "SELECT payload ->> '$.data.slot' FROM tasks WHERE status = 'completed' ORDER BY 1"
        return [slot for [slot] in db.execute(query)]
