"""Under attack from all sides, every promise is kept; and whoever runs the attack leaves nothing.

`TEST_TORTURE_S` says for how many seconds, `TEST_TORTURE_SEED` repeats a run.
"""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.executors.procs import gone
from tests.torture.file_attack import FileAttack
from tests.torture.file_faults import DISK_FAULTS, FAULTS
from tests.torture.report import report
from tests.torture.run import torture
from tests.torture.service_faults import descendants

pytestmark = pytest.mark.long

SECONDS = float(os.environ.get("TEST_TORTURE_S", "40"))
SEED = int(os.environ.get("TEST_TORTURE_SEED", random.randrange(2**32)))


@pytest.mark.timeout(SECONDS + 240)
async def test_whatever_is_done_to_the_service_every_promise_is_kept(tmp_path: Path) -> None:
    print(f"seed {SEED}")  # noqa: T201

    run = await torture(FileAttack(tmp_path), seconds=SECONDS, seed=SEED)

    print(report(run))  # noqa: T201
    assert {name: found for name, found in run.violations.items() if found} == {}
    assert sum(note.accepted for note in run.books.notes) > 5 * SECONDS
    if SECONDS >= 90:  # every kind has had its turn
        possible = FAULTS.keys() - DISK_FAULTS if run.impossible else FAULTS.keys()
        assert {name for name in possible if not run.injected[name]} == set()


@pytest.mark.timeout(180)  # it takes a while until the first fault
async def test_a_run_that_is_interrupted_leaves_no_process_behind(tmp_path: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.torture", "--seconds", "60", "--seed", "1"),
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert run.stdout is not None
    lines = [await run.stdout.readline() for _ in range(12)]  # the last: a fault
    started = list(descendants(run.pid))

    run.send_signal(signal.SIGINT)
    rest = await run.stdout.read()  # ends when nobody can write there any more
    code = await run.wait()

    assert lines[0] == b"python -m tests.torture --seconds 60 --seed 1\n"
    assert rest.startswith(b"interrupted; see ") or b"\ninterrupted; see " in rest
    assert code == 130
    assert started
    await gone(*started)  # fork servers and workers see it by themselves, and need a moment
