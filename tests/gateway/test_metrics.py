"""What `GET /metrics` answers, read by the library's own parser."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from taskqueue.commands import GetDepths, GetTree, Pause
from taskqueue.errors import StorageUnavailable
from taskqueue.http.metrics import readings
from taskqueue.http.metrics.schedules import MOST
from taskqueue.rules.access import Role
from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import Declared, Passed, Plan
from taskqueue.rules.schedules.words import Origin
from taskqueue.rules.tasks import NewTask
from taskqueue.runtime import Request
from tests.gateway.scripted import NOW, ScriptedService, leaf

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scraped(http: ClientSession) -> Samples:
    answer = await http.get("/metrics")
    assert answer.status == 200, await answer.text()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(await answer.text())
        for sample in family.samples
    }


def of(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of one name by the values of their labels, in the order of these."""
    return {
        tuple(value for _, value in labels): found
        for (each, labels), found in samples.items()
        if each == name
    }


async def test_the_answer_is_of_the_type_that_prometheus_reads(http: ClientSession) -> None:
    answer = await http.get("/metrics")

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_prometheus_shows_its_token(http: ClientSession, service: ScriptedService) -> None:
    token = await service.grant(Role.READ)

    refused = await http.get("/metrics")
    answered = await http.get("/metrics", headers={"Authorization": f"Bearer {token}"})

    assert (refused.status, answered.status) == (401, 200)


async def test_queues_are_shown_and_those_that_are_not_served_are_one(
    http: ClientSession, service: ScriptedService
) -> None:
    new = [
        NewTask(id=f"{n}", action="send", payload="{}", queue=queue, run_at=NOW - n)
        for n, queue in enumerate(("mail", "mail", "lost", "gone"), start=1)
    ]
    await service.storage.insert(new, now=NOW)
    await service(Pause(queue="default"))
    service.measures.tasks.claimed("mail", NOW - 7.0)

    samples = await scraped(http)

    depths = of(samples, "taskqueue_queue_depth")
    assert {labels: n for labels, n in depths.items() if n} == {
        ("mail", "queued"): 2,
        ("other", "queued"): 2,
    }
    assert depths["default", "running"] == 0
    oldest = of(samples, "taskqueue_oldest_runnable_age_seconds")
    assert oldest == {("mail",): 2.0, ("other",): 4.0}
    assert of(samples, "taskqueue_last_claim_age_seconds") == {("mail",): 7.0}
    assert of(samples, "taskqueue_queue_paused") == {("default",): 1, ("mail",): 0}
    assert of(samples, "taskqueue_queue_consumers") == {("default",): 2, ("mail",): 2}


async def test_limits_are_shown_by_name_and_not_by_key(
    http: ClientSession, service: ScriptedService
) -> None:
    declared = {"api": LimitValues(starts=9), "smtp": LimitValues(running=2)}
    await service.storage.declare_limits(declared, now=NOW)
    new = [
        NewTask(
            id=f"{n}",
            action="send",
            payload="{}",
            queue="mail",
            limits=encoded((LimitUse("smtp", key),)),
        )
        for n, key in enumerate(("a", "a", "a", "b"))
    ]
    await service.storage.insert(new, now=NOW)
    for _ in range(3):
        await service.start_next("mail")

    samples = await scraped(http)

    blocked = of(samples, "taskqueue_blocked")
    assert {labels: tasks for labels, tasks in blocked.items() if tasks} == {("mail", "slot"): 1}
    assert of(samples, "taskqueue_limit_rate_used") == {("api",): 0}
    assert of(samples, "taskqueue_limit_running") == {("api",): 0, ("smtp",): 3}
    assert of(samples, "taskqueue_limit_waiting") == {("api",): 0, ("smtp",): 1}
    assert of(samples, "taskqueue_limit_max_running") == {("smtp",): 2}


async def test_what_is_held_back_is_shown_by_queue_and_reason(
    http: ClientSession, service: ScriptedService
) -> None:
    declared = {"api": LimitValues(starts=1, per_s=60), "smtp": LimitValues(running=1)}
    await service.storage.declare_limits(declared, now=NOW)

    def new(name: str, queue: str, limit: str | None = None, run_at: float = NOW) -> NewTask:
        limits = None if limit is None else encoded((LimitUse(limit),))
        return NewTask(
            id=name, action="send", payload="{}", queue=queue, run_at=run_at, limits=limits
        )

    await service.storage.insert(
        [
            *(new(f"api {n}", "mail", "api") for n in range(4)),
            *(new(f"smtp {n}", "mail", "smtp") for n in range(3)),
            *(new(f"plain {n}", "default") for n in range(2)),
            new("later", "default", run_at=NOW + 1.0),
            *(new(f"lost {n}", "lost") for n in range(5)),
            new("gone", "gone"),
        ],
        now=NOW,
    )
    await service.start_next("mail")
    await service.start_next("mail")
    await service(Pause(queue="default"))

    samples = await scraped(http)

    assert of(samples, "taskqueue_blocked") == {
        ("default", "slot"): 0,
        ("default", "rate"): 0,
        ("default", "paused"): 2,
        ("default", "no_consumer"): 0,
        ("mail", "slot"): 2,
        ("mail", "rate"): 3,
        ("mail", "paused"): 0,
        ("mail", "no_consumer"): 0,
        ("other", "no_consumer"): 6,
    }


async def test_the_used_part_of_a_rate_is_that_of_its_fullest_key(
    http: ClientSession, service: ScriptedService
) -> None:
    api = LimitValues(starts=60, per_s=60, burst=20)
    await service.storage.declare_limits({"api": api}, now=NOW)
    await service.storage.take_starts(LimitUse("api", "acme", 5.0), now=NOW)
    await service.storage.take_starts(LimitUse("api", "zenith", 10.0), now=NOW)
    half = of(await scraped(http), "taskqueue_limit_rate_used")
    await service.storage.charge(LimitUse("api", "acme", 25.0), now=NOW)

    owed = of(await scraped(http), "taskqueue_limit_rate_used")

    assert (half, owed) == ({("api",): 0.5}, {("api",): 1.5})


async def test_restarts_are_shown_by_the_path_of_the_part(
    http: ClientSession, service: ScriptedService
) -> None:
    service.nodes = leaf("root", children=(leaf("root/queue", incarnation=4),))

    samples = await scraped(http)

    assert of(samples, "taskqueue_actor_restarts_total") == {("root",): 0, ("root/queue",): 3}


async def test_an_outage_is_shown_and_what_is_not_known_is_left_out(
    http: ClientSession, service: ScriptedService
) -> None:
    before = await scraped(http)
    service.availability.unavailable = "disk full"
    service.fault = StorageUnavailable("disk full")

    samples = await scraped(http)

    assert of(before, "taskqueue_storage_up") == {(): 1}
    assert of(samples, "taskqueue_storage_up") == {(): 0}
    assert of(before, "taskqueue_queue_depth") != {}
    assert of(samples, "taskqueue_queue_depth") == {}
    assert of(samples, "taskqueue_blocked_consumers") == {(): 0}


@pytest.mark.parametrize("late", [GetDepths, GetTree])
async def test_a_late_answer_is_shown_by_the_next_scrape(
    http: ClientSession,
    service: ScriptedService,
    monkeypatch: pytest.MonkeyPatch,
    late: type[Request[Any]],
) -> None:
    monkeypatch.setattr(readings, "WAIT_S", 0.01)
    answered = asyncio.Event()
    times: list[Request[Any]] = []
    ask = ScriptedService.__call__

    async def slow(scripted: ScriptedService, request: Request[Any]) -> Any:
        if isinstance(request, late):
            times.append(request)
            await answered.wait()
        return await ask(scripted, request)

    monkeypatch.setattr(ScriptedService, "__call__", slow)
    name = {
        GetDepths: "taskqueue_queue_depth",
        GetTree: "taskqueue_actor_restarts_total",
    }[late]

    missing = of(await scraped(http), name)
    missing_again = of(await scraped(http), name)
    asked = len(times)
    answered.set()
    monkeypatch.setattr(readings, "WAIT_S", 10.0)
    shown = of(await scraped(http), name)

    assert (missing, missing_again) == ({}, {})
    assert asked == 1
    assert shown != {}


async def test_two_services_in_a_process_do_not_share_what_they_count(
    http: ClientSession, service: ScriptedService
) -> None:
    other = ScriptedService()
    other.measures.tasks.cancelled("mail", "send")

    samples = await scraped(http)

    assert of(samples, "taskqueue_tasks_total") == {}


def test_a_service_that_is_not_scraped_does_not_load_the_library() -> None:
    program = "import sys, taskqueue.service; print('prometheus_client' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


async def test_schedules_are_counted_and_the_late_one_is_told(
    http: ClientSession, service: ScriptedService
) -> None:
    plan = Plan(action="send", timing=Timing(every_s=60))
    for name, created_at in (("late", NOW - 90.0), ("new", NOW)):
        declared = Declared(name=name, plan=plan, origin=Origin.API)
        await service.storage.put_schedule(declared, now=created_at)
    passed = Passed(
        schedule="new", version=1, slots=3, first=NOW + 60, last=NOW + 180, reason="late"
    )
    await service.storage.pass_over(passed, now=NOW + 181)

    samples = await scraped(http)

    slots = of(samples, "taskqueue_schedule_slots_total")
    assert {labels: n for labels, n in slots.items() if n} == {("missed", "new"): 3}
    assert of(samples, "taskqueue_schedule_lag_seconds") == {("late",): 60.0, ("new",): 0.0}


async def test_schedules_beyond_a_hundred_share_a_label(
    http: ClientSession, service: ScriptedService
) -> None:
    plan = Plan(action="send", timing=Timing(every_s=60))
    for number in range(MOST + 5):
        declared = Declared(name=f"{number:03}", plan=plan, origin=Origin.API)
        await service.storage.put_schedule(declared, now=NOW)

    samples = await scraped(http)

    lags = of(samples, "taskqueue_schedule_lag_seconds")
    assert (len(lags), ("other",) in lags, ("100",) in lags) == (MOST + 1, True, False)
