"""Fair shares from end to end: by the order in which handlers begin."""

from collections import Counter
from pathlib import Path

import pytest

from taskqueue import App, Context, Retries
from taskqueue.runtime import Reply
from taskqueue.settings import Settings
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.engine import Engine

ONE_BY_ONE = Settings(consumers=1, slots=1, drain_s=0.0)


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, app: App, tmp_path: Path) -> Engine:
    in_a_file = SQLiteStorage(tmp_path / "tasks.db", synchronous="NORMAL")
    return Engine(app, None if request.param == "memory" else in_a_file, settings=ONE_BY_ONE)


async def test_the_first_task_of_another_begins_within_two_starts(app: App, engine: Engine) -> None:
    began: list[str] = []
    holds: Reply[None] = Reply()
    opens: Reply[None] = Reply()

    @app.task("report", fair_by="tenant")
    async def report(tenant: str, number: int) -> None:
        began.append(tenant)
        if number == 100:
            holds.set(None)
            await opens

    async with engine:
        await app.enqueue(*(report.prepare("large", number) for number in range(1_000)))
        await holds
        await app.enqueue(*(report.prepare("tiny", -number) for number in (1, 2, 3)))
        opens.set(None)
        await engine.drain()

    since = began[101:]
    assert Counter(began) == {"large": 1_000, "tiny": 3}
    assert [place for place, tenant in enumerate(since) if tenant == "tiny"] == [0, 2, 4]


async def test_what_is_fair_by_nothing_neither_starves_others_nor_is_starved(
    app: App, engine: Engine
) -> None:
    began: list[str] = []

    @app.task("report", fair_by="tenant", weight="weight")
    async def report(tenant: str, weight: int) -> None:
        began.append(tenant)

    @app.task("sweep")
    async def sweep() -> None:
        began.append("sweep")

    async with engine:
        await app.enqueue(
            *(sweep.prepare() for _ in range(30)),
            *(report.prepare("large", 2) for _ in range(30)),
            *(report.prepare("tiny", 1) for _ in range(30)),
        )
        await engine.drain()

    assert Counter(began[:40]) == {"large": 20, "tiny": 10, "sweep": 10}


async def test_a_retry_keeps_its_place_and_a_delayed_task_gets_a_turn_when_it_is_due(
    app: App, engine: Engine
) -> None:
    began: list[tuple[str, int]] = []

    @app.task("report", fair_by="tenant", retries=Retries(initial_s=60, jitter=0))
    async def report(ctx: Context, tenant: str) -> None:
        began.append((tenant, ctx.attempt))
        if tenant == "shaky" and ctx.attempt == 1:
            await app.enqueue(*(report.with_options(delay_s=60).prepare("large") for _ in range(9)))
            raise OSError

    async with engine:
        await app.enqueue(report.prepare("shaky"), report.with_options(delay_s=60).prepare("tiny"))
        await engine.drain()

    place = [tenant for tenant, _ in began].index("tiny")
    assert began[:2] == [("shaky", 1), ("shaky", 2)]
    assert place <= 3, began
