"""Whatever is done to nodes and their server, every promise is kept.

`TEST_TORTURE_S` says for how many seconds, `TEST_TORTURE_SEED` repeats a run.
"""

import os
import random
from pathlib import Path

import pytest

from tests.postgres_pair import postgres_pair
from tests.postgres_programs import NoPostgres
from tests.torture.nodes.attack import nodes_of_pair
from tests.torture.report import report
from tests.torture.run import torture

pytestmark = pytest.mark.long

NODES = 3
SECONDS = float(os.environ.get("TEST_TORTURE_S", "30"))
SEED = int(os.environ.get("TEST_TORTURE_SEED", random.randrange(2**32)))


@pytest.mark.timeout(SECONDS + 300)
async def test_whatever_is_done_to_nodes_and_their_server_every_promise_is_kept(
    tmp_path: Path,
) -> None:
    print(f"seed {SEED}")  # noqa: T201

    try:
        with postgres_pair() as pair:
            run = await torture(
                nodes_of_pair(tmp_path, pair, nodes=NODES), seconds=SECONDS, seed=SEED
            )
    except NoPostgres as none:
        pytest.skip(str(none))

    print(report(run))  # noqa: T201
    assert {name: found for name, found in run.violations.items() if found} == {}
    assert sum(note.accepted for note in run.books.notes) > SECONDS / 3
    if SECONDS >= 120:  # every kind has had its turn
        assert {name for name, times in run.injected.items() if not times} == set()
