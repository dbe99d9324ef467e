"""The live service answers as its OpenAPI document says.

`TEST_DESCRIBED_S` says for how many seconds, `TEST_DESCRIBED_SEED` repeats a
run.
"""

import os
import random
from pathlib import Path

import pytest

from tests.described_http.run import described

SECONDS = int(os.environ.get("TEST_DESCRIBED_S", "30"))
SEED = int(os.environ.get("TEST_DESCRIBED_SEED", random.randrange(2**32)))


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 240)
async def test_the_live_service_answers_as_its_document_says(tmp_path: Path) -> None:
    print(f"seed {SEED}")  # noqa: T201

    run = await described(tmp_path, seconds=SECONDS, seed=SEED)

    print(run.report)  # noqa: T201
    assert (run.code, run.surprises) == (0, [])
