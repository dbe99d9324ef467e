"""Whatever handlers' statements say, the queue and all other tasks are as they ought to be.

`TASKQUEUE_SANDBOX_S` says for how many seconds, `TASKQUEUE_SANDBOX_SEED` repeats a run.
"""

import os
import random
from pathlib import Path

import pytest

from tests.sandbox.__main__ import report
from tests.sandbox.attack import attack

SECONDS = float(os.environ.get("TASKQUEUE_SANDBOX_S", "45"))
SEED = int(os.environ.get("TASKQUEUE_SANDBOX_SEED", random.randrange(2**32)))


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
