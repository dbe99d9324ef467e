"""Nobody who dies takes the throughput along: it is back a moment after the restart."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess
from tests.system.services import TIMEOUT_S, Client, Services, when

FLAGS = ("--app", "tests.system.app:app", "--prefetch", "20")
VICTIMS = (
    "consumers/consumer-1",
    "consumers/consumer-2",
    "consumers",
    "queue",
    "database",
    "gateway",
)
POSTERS = 4
MANY = 100  # tasks by which throughput is measured
BACK_WITHIN_S = 3.0  # for MANY tasks and the restart; undisturbed they take a third of a second


async def test_whoever_is_killed_under_load_the_throughput_returns(services: Services) -> None:
    service = await services.start(*FLAGS)
    took: dict[str, float] = {}

    async with aiohttp.ClientSession() as http, _load(http, service):
        for victim in VICTIMS:
            undisturbed_s = await _many_completed(service)
            with contextlib.suppress(aiohttp.ClientConnectionError):  # it dies before it answers
                await Client(http, service).kill(f"root/{victim}")
            await service.wait_for("child_restarted", child_id=victim.rpartition("/")[2])
            took[victim] = await _many_completed(service)
            print(f"{victim}: {MANY} tasks in {undisturbed_s:.2f} s, then {took[victim]:.2f} s")  # noqa: T201

    assert {victim: took_s for victim, took_s in took.items() if took_s > BACK_WITHIN_S} == {}
    restarted = [event["child_id"] for event in service.events.select("child_restarted")]
    assert restarted == [victim.rpartition("/")[2] for victim in VICTIMS]


APP_THAT_COMPUTES = """
import asyncio
import sys
import time

from taskqueue import App

app = App()


@app.task("compute")
def compute() -> float:
    ends_at = time.monotonic() + 30
    while (interval := sys.getswitchinterval()) > 0.001 and time.monotonic() < ends_at:
        sum(range(1_000))
    return interval


@app.task("compute_on_loop")
async def compute_on_loop() -> float:
    return compute()


@app.task("wait")
async def wait() -> float:
    while (interval := sys.getswitchinterval()) < 0.004:  # 0.002 while the service looks
        await asyncio.sleep(0.05)
    return interval
"""


async def test_a_thread_that_computes_gives_up_the_interpreter_sooner_than_by_default(
    services: Services,
) -> None:
    """Else each turn of a loop waits for 5 ms beside it; `benchmarks lone` measures that.

    Without one, loops interrupt each other no sooner than by default.
    """
    (services.folder / "computing.py").write_text(APP_THAT_COMPUTES)
    service = await services.start("--app", "computing:app")

    async with aiohttp.ClientSession() as http:
        client = Client(http, service)
        results = []
        for action in ("wait", "compute", "wait", "compute_on_loop"):
            task_id = await client.post(action)
            await when([task_id], service, "task_completed")
            results.append((await client.show(task_id))["result"])

    usual, beside_thread, again, beside_loop = results
    assert 0 < beside_thread < 0.001
    assert 0 < beside_loop < 0.001
    assert usual == again == pytest.approx(0.005)  # Python's own


@contextlib.asynccontextmanager
async def _load(http: aiohttp.ClientSession, service: ServiceProcess) -> AsyncIterator[None]:
    """Post all the time."""
    posting = [asyncio.create_task(_post(http, service)) for _ in range(POSTERS)]
    try:
        yield
    finally:
        for each in posting:
            each.cancel()
        ends = await asyncio.gather(*posting, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def _post(http: aiohttp.ClientSession, service: ServiceProcess) -> None:
    for _ in itertools.count():
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with http.post(f"{service.url}/tasks", json={"action": "quick"}) as answer:
                assert answer.status in (202, 503)
        await asyncio.sleep(0.005)


async def _many_completed(service: ServiceProcess) -> float:
    """Wait until so many more tasks are completed; return how long that took, in seconds."""
    began_at = time.monotonic()
    before = len(service.events.select("task_completed"))
    await service.wait_for("task_completed", nth=before + MANY, timeout_s=TIMEOUT_S)
    return time.monotonic() - began_at
