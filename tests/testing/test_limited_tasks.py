"""Limits from end to end: by the evidence of the handlers, never more at once, and nothing lost."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from taskqueue import App, Context, Limit, Snooze
from taskqueue.rules.policy import RetryPolicy
from taskqueue.runtime import Reply
from taskqueue.settings import Settings
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.engine import Engine

MOST = 2
KEYS = ("a.example", "b.example", "c.example")
MANY = Settings(consumers=3, slots=4, drain_s=0.0, retry=RetryPolicy(jitter=0.0, max_crashes=10))


class Evidence:
    """What handlers of all threads say: when they begin, and when they end."""

    def __init__(self) -> None:
        self.most: Counter[str] = Counter()
        self.begun: list[tuple[str, float]] = []
        self._now: Counter[str] = Counter()
        self._turn = threading.Lock()

    @contextmanager
    def running(self, key: str, at: float) -> Iterator[None]:
        with self._turn:
            self._now[key] += 1
            self.most[key] = max(self.most[key], self._now[key])
            self.begun.append((key, at))
        try:
            yield
        finally:
            with self._turn:
                self._now[key] -= 1


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, app: App, tmp_path: Path) -> Engine:
    in_a_file = SQLiteStorage(tmp_path / "tasks.db", synchronous="NORMAL")
    return Engine(app, None if request.param == "memory" else in_a_file, settings=MANY)


async def test_never_more_run_than_a_limit_allows_and_all_complete(
    app: App, engine: Engine
) -> None:
    evidence, draw = Evidence(), random.Random(19)

    @app.task("mail", limit=Limit(running=MOST, key="smtp:{domain}"), max_attempts=10)
    async def mail(ctx: Context, domain: str, fate: str) -> None:
        with evidence.running(domain, engine.clock.now()):
            await asyncio.sleep(0.001)
            if ctx.attempt == 1 and fate == "fails":
                raise OSError("refused")
            if fate == "snoozes" and domain not in snoozed:
                snoozed.add(domain)
                raise Snooze(5)
            if fate == "hangs" and not hanging.done():
                hanging.set()
                await asyncio.Event().wait()

    snoozed: set[str] = set()
    hanging: Reply[None] = Reply()
    async with engine:
        tasks = [
            mail.prepare(domain=draw.choice(KEYS), fate=fate)
            for fate in ["fails", "snoozes", "hangs", *["sends"] * 5] * 8
        ]
        ids = await app.enqueue(*tasks)
        await hanging
        for number in range(1, 4):
            await engine.kill(f"consumer-{number}")
        await engine.drain()
        ended = Counter([(await engine.task(each)).status for each in ids])
        usages = await engine.storage.inner.limits(now=engine.clock.now())

    assert ended == {"completed": len(ids)}
    assert evidence.most == dict.fromkeys(KEYS, MOST)
    assert [(usage.name, usage.running, usage.waiting) for usage in usages] == [("smtp", 0, 0)]


async def test_a_rate_spreads_the_starts(app: App, engine: Engine) -> None:
    evidence = Evidence()

    @app.task("ask", limit=Limit(starts=6, per_s=60, burst=3, name="api"))
    async def ask(ctx: Context) -> None:
        with evidence.running("api", engine.clock.now()):
            pass

    async with engine:
        began_at = engine.clock.now()
        await app.enqueue(*(ask.prepare() for _ in range(6)))
        await engine.drain()

    assert [at - began_at for _, at in evidence.begun] == [0, 0, 0, 10, 20, 30]


async def test_a_cost_from_the_data_is_what_a_start_takes(app: App, engine: Engine) -> None:
    evidence = Evidence()

    @app.task("ask", limit=Limit(starts=60, per_s=60, burst=30, cost="{tokens}"))
    async def ask(ctx: Context, tokens: int) -> None:
        with evidence.running("ask", engine.clock.now()):
            pass

    async with engine:
        began_at = engine.clock.now()
        for tokens in (20, 10, 40):
            await ask.enqueue(tokens=tokens)
        await engine.drain()

    assert [at - began_at for _, at in evidence.begun] == [0, 0, 30]


async def test_a_limit_on_a_queue_holds_for_all_its_actions(app: App, engine: Engine) -> None:
    evidence = Evidence()
    app.queue("slow", limit=Limit(running=1))

    @app.task("scan", queue="slow")
    async def scan(ctx: Context) -> None:
        with evidence.running("slow", 0.0):
            await asyncio.sleep(0.001)

    @app.task("print", queue="slow")
    def prints() -> None:
        with evidence.running("slow", 0.0):
            pass

    async with engine:
        await app.enqueue(*(action.prepare() for action in [scan, prints] * 10))
        await engine.drain()
        ended = await engine.tasks(status="completed")

    assert len(ended) == 20
    assert evidence.most == {"slow": 1}
