"""Whatever handlers' statements say, the queue and all other tasks are as they ought to be.

`TEST_SANDBOX_S` says for how many seconds, `TEST_SANDBOX_SEED` repeats a run.
"""

import difflib
import os
import random
from pathlib import Path

import pytest

from taskqueue.storage.sqlite.connections import spawn
from tests.sandbox import untimed
from tests.sandbox.__main__ import report
from tests.sandbox.attack import attack
from tests.sandbox.hostile import ENDLESS, ENDLESS_STEPS, TOO_LARGE

SECONDS = float(os.environ.get("TEST_SANDBOX_S", "20"))
HOGS = [each[:300] for each in (*ENDLESS_STEPS.values(), *TOO_LARGE.values(), *ENDLESS)]
SEED = int(os.environ.get("TEST_SANDBOX_SEED", random.randrange(2**32)))


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 180)
async def test_no_statement_of_a_handler_reaches_the_queue_or_holds_up_its_commits(
    tmp_path: Path,
) -> None:
    print(f"seed {SEED}")  # noqa: T201

    found = await attack(tmp_path, seconds=SECONDS, seed=SEED)

    print(report(found))  # noqa: T201
    assert found.violations == []
    assert found.answers["applied"] > SECONDS / 10
    assert found.entries > SECONDS / 10


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_the_attack_names_the_statement_that_stalls_commits_when_no_timer_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawn, "COMMAND", untimed.COMMAND)

    found = await attack(tmp_path, seconds=60, seed=2)

    [violation] = found.violations
    what, *named = violation.splitlines()
    assert "alone, this stalls commits" in what
    assert named
    for statement in named:  # as the grammar has changed it
        assert difflib.get_close_matches(statement, HOGS, cutoff=0.8)
