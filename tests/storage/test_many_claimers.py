"""Many claimers on one file: nobody is given what another has. `--full` for a long run."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from taskqueue.rules.policy import RetryPolicy, settlement
from taskqueue.rules.tasks import Delivery, Failed, Owner, SettleBy, Status, Succeeded
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import new_task

CLAIMERS = 16
MOST_AT_ONCE = 40
FAILING = 0.2  # share of the attempts
AT_ONCE = RetryPolicy(initial_s=0.0)


@pytest.fixture
def tasks(request: pytest.FixtureRequest) -> int:
    return 100_000 if request.config.getoption("--full") else 4_000


@pytest.mark.timeout(600)
async def test_sixteen_claimers_never_get_the_same_attempt(tmp_path: Path, tasks: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    storage = SQLiteStorage(tmp_path / "tasks.db", synchronous="NORMAL")
    await storage.migrate()
    await storage.open()
    everything = [new_task(f"{n:06}", max_attempts=1_000) for n in range(tasks)]
    await storage.insert(everything, now=0.0)
    claimed: Counter[tuple[str, int]] = Counter()

    async def claim_all(number: int) -> None:
        """Claim and settle until nothing is left; some attempts fail, and are another's next."""
        draw = random.Random(f"{seed}/{number}")
        me = Owner(node=f"node-{number}", incarnation="1")
        while (await storage.counts())[Status.COMPLETED] < tasks:
            limit = draw.randint(1, MOST_AT_ONCE)
            mine = await storage.claim("default", limit=limit, owner=me, lease_s=30.0, now=0.0)
            claimed.update((delivery.task.id, delivery.task.attempt) for delivery in mine)
            await storage.settle([_settled(delivery, draw) for delivery in mine], now=0.0)

    await asyncio.gather(*map(claim_all, range(CLAIMERS)))
    counts = await storage.counts()
    await storage.close()

    tried = Counter(task_id for task_id, _ in claimed)
    assert counts[Status.COMPLETED] == tasks == len(tried)
    assert {attempt: times for attempt, times in claimed.items() if times > 1} == {}
    assert all(
        (task_id, attempt) in claimed
        for task_id in tried
        for attempt in range(1, tried[task_id] + 1)
    )


def _settled(delivery: Delivery, draw: random.Random) -> SettleBy:
    outcome = Failed(error="no") if draw.random() < FAILING else Succeeded(result="1")
    written = settlement(delivery.task, outcome, AT_ONCE, now=0.0, jitter=0.0)
    return SettleBy(token=delivery.token, settlement=written)
