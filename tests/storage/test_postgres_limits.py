"""Limits, turns, groups, keys and schedules while several nodes use one PostgreSQL database."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from taskqueue.rules.groups import Close, GroupEnd
from taskqueue.rules.limits import LimitUse, LimitValues, decoded, encoded
from taskqueue.rules.tasks import (
    Acceptance,
    AttemptOutcome,
    Complete,
    NewTask,
    Owner,
    Release,
    Requeue,
    SettleBy,
    Settlement,
    Status,
)
from taskqueue.rules.uniqueness import KeyEnd, KeyRule
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.testing.contract.steps import new_task

NODES = 3
MOST = 2  # of the hot key that may be held


@pytest.fixture
async def nodes(migrated_database: PostgresDatabase) -> AsyncIterator[list[PostgresStorage]]:
    storages = [PostgresStorage(migrated_database) for _ in range(NODES)]
    for storage in storages:
        await storage.open()
    yield storages
    for storage in storages:
        await storage.close()


def limited(n: int, draw: random.Random) -> NewTask:
    """Return a task of the hot key mostly, which may count to a second limit as well."""
    uses = [LimitUse("smtp", draw.choice(("hot", "hot", "warm")))]
    if draw.random() < 0.3:
        uses.append(LimitUse("api"))
    return new_task(f"{n:04}", limits=encoded(tuple(uses)), max_attempts=1_000)


def a_settlement(draw: random.Random) -> Settlement:
    """Return one after which the task is done, or is done again at once."""
    chance = draw.random()
    if chance < 0.15:
        return Requeue(run_at=0.0, outcome=AttemptOutcome.FAILED, error="no")
    if chance < 0.25:
        return Release()
    return Complete(result="1")


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_no_more_is_held_than_a_limit_allows_on_all_nodes_together(
    nodes: list[PostgresStorage], request: pytest.FixtureRequest
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    total = 150 if request.config.getoption("--full") else 60
    draw = random.Random(seed)
    limits = {"smtp": LimitValues(running=MOST), "api": LimitValues(running=1)}
    await nodes[0].declare_limits(limits, now=0.0)
    tasks = [limited(n, draw) for n in range(total)]
    held: Counter[str] = Counter()
    most: Counter[str] = Counter()
    done = asyncio.Event()

    async def insert() -> None:
        for beginning in range(0, total, 10):
            node = nodes[beginning % NODES]
            await node.insert(tasks[beginning : beginning + 10], now=0.0)

    async def work(number: int) -> None:
        mine = random.Random(f"{seed}/{number}")
        node = nodes[number % NODES]
        me = Owner(node=f"node-{number}", incarnation="1")
        while not done.is_set():
            claimed = await node.claim(
                "default", limit=mine.randint(1, 4), owner=me, lease_s=30.0, now=0.0
            )
            gates = [use.gate for each in claimed for use in decoded(each.task.limits)]
            held.update(gates)
            for gate in gates:
                most[gate] = max(most[gate], held[gate])
            await asyncio.sleep(mine.random() * 0.01)
            held.subtract(gates)
            settled = [
                SettleBy(token=each.token, settlement=a_settlement(mine)) for each in claimed
            ]
            await node.settle(settled, now=0.0)
            if (await node.counts())[Status.COMPLETED] == total:
                done.set()

    async with asyncio.timeout(100):
        await asyncio.gather(insert(), *map(work, range(2 * NODES)))

    assert most["smtp/hot"] == MOST  # and so it was used
    assert max(most.values()) <= MOST
    assert most["api"] <= 1
    assert [usage.running for usage in await nodes[0].limits(now=0.0)] == [0, 0]


async def test_a_group_ends_once_whichever_nodes_settle_its_members(
    nodes: list[PostgresStorage],
) -> None:
    ended: list[GroupEnd] = []
    for node in nodes:
        node.on_group_end(ended.append)
    members = [new_task(f"{n:03}", group="import") for n in range(60)]
    await asyncio.gather(*(node.insert(members[n::NODES], now=0.0) for n, node in enumerate(nodes)))
    await nodes[0].close_group(Close(name="import", then=new_task("then", queue="after")), now=1.0)

    async def work(node: PostgresStorage, name: str) -> None:
        me = Owner(node=name, incarnation="1")
        while claimed := await node.claim("default", limit=5, owner=me, lease_s=30.0, now=1.0):
            await node.start([each.token for each in claimed], now=1.0)
            done = [SettleBy(token=each.token, settlement=Complete(result="1")) for each in claimed]
            await node.settle(done, now=2.0)

    await asyncio.gather(*(work(node, str(n)) for n, node in enumerate(nodes)))

    group = await nodes[0].get_group("import")
    assert group is not None
    assert (group.tasks[Status.COMPLETED], group.total) == (60, 60)
    assert group.ended_at == 2.0
    assert [end.name for end in ended] == ["import"]
    assert await nodes[0].get("then", now=2.0) is not None


async def test_nothing_joins_a_group_after_another_node_has_closed_it(
    nodes: list[PostgresStorage],
) -> None:
    for n in range(20):
        name = f"group-{n}"
        [[answer], result] = await asyncio.gather(
            nodes[0].insert([new_task(f"{n}", group=name)], now=0.0),
            nodes[1].close_group(Close(name=name), now=0.0),
        )

        group = await nodes[2].get_group(name)
        assert group is not None
        assert group.total == (answer.acceptance is Acceptance.ACCEPTED)
        assert (group.ended_at is None) == bool(group.total)
        assert result.group.closed_at == 0.0


async def test_one_of_many_inserts_under_one_key_is_accepted_on_all_nodes_together(
    nodes: list[PostgresStorage],
) -> None:
    answers = await asyncio.gather(
        *(
            node.insert([new_task(f"{n}-{m}", unique_key="k", fingerprint="f")], now=0.0)
            for n, node in enumerate(nodes)
            for m in range(5)
        )
    )

    found = Counter(answer.acceptance for [answer] in answers)
    assert found == {Acceptance.ACCEPTED: 1, Acceptance.REPEATED: NODES * 5 - 1}
    assert len({answer.id for [answer] in answers}) == 1


async def test_one_of_many_inserts_gets_a_key_that_was_released_on_all_nodes_together(
    nodes: list[PostgresStorage],
) -> None:
    until_ended = KeyRule(until=KeyEnd.ENDED)
    for n in range(40):
        answers = await asyncio.gather(
            *(
                node.insert(
                    [new_task(f"{n}-{m}", unique_key="k", fingerprint="f", key_rule=until_ended)],
                    now=0.0,
                )
                for m, node in enumerate(nodes)
            )
        )
        found = Counter(answer.acceptance for [answer] in answers)
        [there] = {answer.id for [answer] in answers}
        assert found == {Acceptance.ACCEPTED: 1, Acceptance.REPEATED: NODES - 1}
        assert await nodes[0].get(there, now=0.0) is not None
        await nodes[0].cancel([there], reason="its key is released", now=0.0)


@pytest.mark.timeout(120)
async def test_all_flows_are_served_on_all_nodes_together(nodes: list[PostgresStorage]) -> None:
    tasks = [new_task(f"{n:03}", flow=f"flow-{n % 7}") for n in range(120)]
    served: set[str] = set()

    async def insert(number: int, node: PostgresStorage) -> None:
        for task in tasks[number::NODES]:
            await node.insert([task], now=0.0)

    async def work(number: int, node: PostgresStorage) -> None:
        me = Owner(node=str(number), incarnation="1")
        while len(served) < len(tasks):
            claimed = await node.claim("default", limit=3, owner=me, lease_s=30.0, now=0.0)
            ids = {each.task.id for each in claimed}
            assert not ids & served
            served.update(ids)
            done = [SettleBy(token=each.token, settlement=Complete(result="1")) for each in claimed]
            await node.settle(done, now=0.0)

    async with asyncio.timeout(100):
        await asyncio.gather(
            *(insert(n, node) for n, node in enumerate(nodes)),
            *(work(n, node) for n, node in enumerate(nodes)),
        )

    assert (await nodes[0].counts())[Status.COMPLETED] == len(tasks)
