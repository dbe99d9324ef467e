"""Hostile clients cost others little, and nothing for long.

`TEST_HOSTILE_S` says for how many seconds, `TEST_HOSTILE_SEED` repeats a run.
"""

import os
import random
from pathlib import Path

import pytest

from tests.hostile_http.attacks import KINDS
from tests.hostile_http.report import report
from tests.hostile_http.run import hostile

SECONDS = float(os.environ.get("TEST_HOSTILE_S", "20"))
SEED = int(os.environ.get("TEST_HOSTILE_SEED", random.randrange(2**32)))


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 420)
async def test_hostile_clients_neither_slow_others_down_nor_keep_memory(tmp_path: Path) -> None:
    print(f"seed {SEED}")  # noqa: T201

    run = await hostile(tmp_path, seconds=SECONDS, seed=SEED, kinds=[*KINDS], say=lambda _: None)

    print(report(run))  # noqa: T201
    assert run.violations == []
    assert {phase.kind for phase in run.phases} == set(KINDS)
