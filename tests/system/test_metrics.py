"""What a real service shows to Prometheus after a load that is known, read by its own parser."""

import sqlite3
from contextlib import closing
from pathlib import Path
from time import time

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from taskqueue import AsyncClient
from taskqueue.http.metrics.names import METRICS
from taskqueue.testing.process import ServiceProcess
from tests.system.services import TIMEOUT_S, Services, until

pytestmark = pytest.mark.forked

FLAGS = ("--app", "tests.system.counted_app:app", "--consumers", "2")

Scrape = dict[str, dict[tuple[str, ...], float]]
"""Values by sample, then by the values of its labels, which are in the order of their names."""


async def scrape(http: aiohttp.ClientSession, service: ServiceProcess) -> Scrape:
    """Read all samples."""
    found: Scrape = {}
    async with http.get(f"{service.url}/metrics") as answer:
        assert answer.status == 200, await answer.text()
        for family in text_string_to_metric_families(await answer.text()):
            for name, labels, value, *_ in family.samples:
                by_labels = found.setdefault(name, {})
                by_labels[tuple(labels[each] for each in sorted(labels))] = value
    return found


def events_of(scrape: Scrape, action: str) -> dict[str, float]:
    """Return what was counted of an action in its queue, without zeros."""
    return {
        event: value
        for (found, event, _), value in scrape["taskqueue_tasks_total"].items()
        if found == action and value
    }


def is_read(scrape: Scrape) -> bool:
    """Whether the storage and the tree have answered in time."""
    names = (
        *("taskqueue_queue_depth", "taskqueue_queue_paused", "taskqueue_blocked"),
        "taskqueue_actor_restarts_total",
    )
    return all(name in scrape for name in names)


async def test_a_known_load_is_shown_with_the_right_values(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(*FLAGS)
    async with AsyncClient(service.url) as client:
        done = await client.enqueue_many([("quick", {})] * 12)
        refused = await client.enqueue_many([("refuse", {})] * 3)
        for task in (*done, *refused):
            await task.wait(timeout_s=TIMEOUT_S)
        later = await client.enqueue("quick", delay_s=3600)
        cancelled = await client.enqueue("quick", delay_s=3600)
        await cancelled.cancel()
        await client.pause("default")
        waiting = await client.enqueue("quick")

    async with http.get(f"{service.url}/events"):
        shown = await until(lambda: scrape(http, service), is_read)

    assert events_of(shown, "quick") == {"enqueued": 15, "completed": 12, "cancelled": 1}
    assert events_of(shown, "refuse") == {"enqueued": 3, "failed": 3, "dead": 3}
    assert shown["taskqueue_task_run_seconds_count"]["quick", "default"] == 12
    assert shown["taskqueue_task_wait_seconds_count"]["default",] == 15
    assert 0 < shown["taskqueue_task_wait_seconds_sum"]["default",] < 15 * TIMEOUT_S
    buckets = shown["taskqueue_task_wait_seconds_bucket"]
    assert buckets["+Inf", "default"] == 15
    depths = {status: n for (_, status), n in shown["taskqueue_queue_depth"].items()}
    assert depths == {"queued": 1, "scheduled": 1, "running": 0, "retrying": 0}
    assert (later.id, waiting.id) != ("", "")
    assert shown["taskqueue_queue_paused"]["default",] == 1
    blocked = shown["taskqueue_blocked"]
    assert {labels: n for labels, n in blocked.items() if n} == {("default", "paused"): 1}
    answers = shown["taskqueue_enqueues_total"]
    assert {labels: n for labels, n in answers.items() if n} == {("accepted", "default"): 18}
    assert shown["taskqueue_queue_consumers"]["default",] == 2
    assert 0 < shown["taskqueue_last_claim_age_seconds"]["default",] < TIMEOUT_S * 20
    assert shown["taskqueue_commit_seconds_count"][()] >= 5
    assert shown["taskqueue_commit_rows_sum"][()] >= 18
    assert shown["taskqueue_storage_up"][()] == 1
    assert shown["taskqueue_event_streams"][()] == 1
    assert shown["taskqueue_lease_losses_total"][()] == 0
    assert 0 < shown["process_start_time_seconds"][()] <= time() + 1


async def test_every_metric_is_shown_while_tasks_wait_but_that_of_claims(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(*FLAGS, "--consumers", "0")
    async with AsyncClient(service.url) as client:
        await client.enqueue("quick")
        await client.enqueue("quick")
        await client.schedules.create("quick", cron="@yearly")

    def is_whole(found: Scrape) -> bool:
        return is_read(found) and "taskqueue_oldest_runnable_age_seconds" in found

    shown = await until(lambda: scrape(http, service), is_whole)

    names = {name.removesuffix("_count") for name in shown}
    assert {metric.name for metric in METRICS} - names == {"taskqueue_last_claim_age_seconds"}


async def test_counts_outlive_the_parts_that_count_and_restarts_are_counted(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(*FLAGS)

    async def run() -> None:
        async with AsyncClient(service.url) as client:
            for task in await client.enqueue_many([("quick", {})] * 4):
                await task.wait(timeout_s=TIMEOUT_S)

    await run()
    for times, part in enumerate(("queue", "watchdog", "database", "gateway"), start=1):
        async with http.post(f"{service.url}/supervision/kill", json={"path": f"root/{part}"}) as a:
            assert a.status == 202
        await service.wait_for("child_restarted", nth=times)
    await service.wait_for("queue_ready", nth=2)
    await run()
    shown = await until(lambda: scrape(http, service), is_read)

    assert events_of(shown, "quick") == {"enqueued": 8, "completed": 8}
    restarts = {path: n for (path,), n in shown["taskqueue_actor_restarts_total"].items() if n}
    assert restarts == {
        "root/queue": 1,
        "root/watchdog": 1,
        "root/database": 1,
        "root/gateway": 1,
    }


async def test_a_locked_file_is_shown_as_a_storage_that_is_down(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    service = await services.start(*FLAGS)
    with closing(sqlite3.connect(tmp_path / "data" / "tasks.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        async with http.post(f"{service.url}/tasks", json={"action": "quick"}) as answer:
            refused = answer.status
        down = await scrape(http, service)
        other.rollback()
    await service.wait_for("storage_ready", nth=2)
    up = await scrape(http, service)

    assert refused == 503
    assert down["taskqueue_storage_up"][()] == 0
    assert up["taskqueue_storage_up"][()] == 1
