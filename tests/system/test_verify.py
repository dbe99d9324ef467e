"""`taskqueue verify`, as a user runs it: its verdict, and what it leaves behind."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from taskqueue.verification.killing import Progress, kill_and_compare
from tests.disk.faulty import NO_COMPILER
from tests.disk.shim import compiler
from tests.executors.procs import gone
from tests.torture.service_faults import descendants

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT)}
SECONDS = "12"  # several kills, also on a busy machine

# As `eatmydata` does.
IGNORES_SYNCS = """
int fsync(int descriptor) { return 0; }
int fdatasync(int descriptor) { return 0; }
"""


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "taskqueue", "verify", *args]


def verify(*args: str, cwd: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command("--seconds", SECONDS, *args),
        cwd=cwd,
        env=ENVIRON | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(120)
def test_a_sound_service_passes_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ended = verify("--json", cwd=tmp_path, TASKQUEUE_LISTEN="unix:///not/for/it.sock")

    assert ended.stderr == ""
    report = json.loads(ended.stdout)
    verdict = report["verdict"]
    assert verdict["broken"] == {}
    assert verdict["kills"] >= 1
    assert 0 < verdict["accepted"] <= verdict["posted"]
    assert verdict["completed"] > 0
    assert report["passed"] == report["keeps_syncs"]  # tests may run on tmpfs
    assert ended.returncode == int(not report["passed"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(120)
@pytest.mark.skipif(compiler() is None, reason=NO_COMPILER)
def test_a_disk_that_ignores_syncs_fails(tmp_path: Path) -> None:
    source, shim, folder = tmp_path / "shim.c", tmp_path / "shim.so", tmp_path / "disk"
    source.write_text(IGNORES_SYNCS)
    subprocess.run([compiler() or "cc", "-shared", "-fPIC", "-o", shim, source], check=True)
    folder.mkdir()

    ended = verify(cwd=folder, LD_PRELOAD=str(shim))

    assert (ended.returncode, ended.stderr) == (1, ""), ended.stdout
    heading, *_, sync, last = ended.stdout.splitlines()
    assert heading.startswith(f"In {folder}, for about 12 s, with synchronous = FULL and --seed ")
    assert " kills, " in ended.stdout or " 1 kill, " in ended.stdout
    assert sync.startswith("sync: ")
    assert last.startswith("FAILED: the disk does not keep what it has synced")


@pytest.mark.timeout(120)
async def test_an_accepted_task_that_is_lost_in_a_kill_is_found(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201

    def lose(_: Progress) -> None:
        with closing(sqlite3.connect(tmp_path / "data/tasks.db")) as db, db:
            db.execute("DELETE FROM tasks WHERE processed_at IS NOT NULL")

    verdict = await kill_and_compare(tmp_path, seconds=float(SECONDS), seed=seed, on=lose)

    assert verdict.kills >= 1
    assert "accepted and lost" in verdict.broken


def test_where_nothing_can_be_written_it_ends_with_2_and_a_line(tmp_path: Path) -> None:
    ended = verify("--database", "/proc/tasks.db", cwd=tmp_path)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("taskqueue: database: cannot write in /proc: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_leaves_no_process_and_no_file(
    tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        command("--seconds", "60"),
        cwd=tmp_path,
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if " kill" in line:
                break
        started = list(descendants(process.pid))

        process.send_signal(number)
        _, complaint = process.communicate()

    assert process.returncode == 1
    assert "Traceback" not in complaint
    assert list(tmp_path.iterdir()) == []
    asyncio.run(gone(*started))
