"""The last minutes of a queue and of the service, as a real service has counted them."""

import asyncio
from pathlib import Path

import aiohttp

from taskqueue import AsyncClient, Client
from taskqueue.rules.activity import Recent
from tests.forked.service import ForkedService

TASKS = 12


async def last_minutes(client: AsyncClient) -> Recent:
    """The longest window, which no test outlives."""
    [queue] = await client.queues()
    return queue.recent[-1]


async def run(client: AsyncClient, action: str) -> None:
    tasks = await client.enqueue_many([(action, {}) for _ in range(TASKS)])
    for task in tasks:
        await task.wait(timeout_s=20)


def attempts(per_min: float, recent: Recent) -> int:
    return round(per_min * max(recent.counted_s, 10.0) / 60)


async def test_attempts_are_counted_over_restarts_of_the_queue_actor(tmp_path: Path) -> None:
    async with (
        ForkedService(tmp_path, "--app", "tests.system.counted_app:app") as service,
        AsyncClient(service.url) as client,
        aiohttp.ClientSession(service.url) as http,
    ):
        await run(client, "quick")
        await run(client, "refuse")
        before = await last_minutes(client)
        await http.post("/supervision/kill", json={"path": "root/queue"})
        await service.wait_for("queue_ready", nth=2)
        await run(client, "quick")
        after = await last_minutes(client)

    assert attempts(before.completed_per_min, before) == TASKS
    assert attempts(before.failed_per_min, before) == TASKS
    assert attempts(after.completed_per_min, after) == 2 * TASKS
    assert attempts(after.failed_per_min, after) == TASKS
    assert after.counted_s > before.counted_s
    assert after.wait_s is not None
    assert 0 < after.wait_s.p50 <= after.wait_s.p95 <= after.wait_s.max < 20
    assert after.run_s is not None
    assert 0 <= after.run_s.p50 <= after.run_s.p95 <= after.run_s.max < 20


async def test_the_activity_of_the_service_is_told_with_its_restarts(tmp_path: Path) -> None:
    async with (
        ForkedService(tmp_path, "--app", "tests.system.counted_app:app") as service,
        AsyncClient(service.url) as client,
        aiohttp.ClientSession(service.url) as http,
    ):
        await run(client, "quick")
        await http.post("/supervision/kill", json={"path": "root/queue"})
        restarted = await service.wait_for("child_restarted", child_id="queue")
        await service.wait_for("queue_ready", nth=2)
        await run(client, "refuse")
        activity = await client.activity()
        with Client(service.url) as threaded:
            latest = await asyncio.to_thread(threaded.activity, minutes=1)

    buckets = activity.buckets
    assert sum(each.enqueued for each in buckets) == 2 * TASKS
    assert sum(each.completed for each in buckets) == TASKS
    assert sum(each.failed for each in buckets) == TASKS
    assert activity.since <= buckets[0].at + activity.bucket_s
    [restart] = activity.restarts
    assert (restart.supervisor, restart.child_id, restart.incarnation) == ("root", "queue", 2)
    assert restart.reason == restarted["reason"] == "killed"
    assert activity.since < restart.at < activity.until
    assert latest.until >= activity.until
