"""Schedules through both clients, against a real service."""

import asyncio
from datetime import timedelta

import pytest

from taskqueue import AsyncClient, CallRefused, Client
from taskqueue.client.schedules.views import ScheduleInfo
from taskqueue.rules.schedules.words import Missed, Origin, Overlap
from taskqueue.rules.tasks import Status
from taskqueue.testing.process import ServiceProcess

SUM = {"left": 2, "right": 3}


async def test_a_schedule_is_created_run_and_deleted(service: ServiceProcess) -> None:
    def script() -> tuple[ScheduleInfo, object, ScheduleInfo, list[str]]:
        with Client(service.url) as queue:
            created = queue.schedules.create("add", cron="0 3 * * *", data=SUM, missed="skip")
            result = queue.schedules.run("add").result(timeout_s=20)
            shown = queue.schedules.get("add")
            names = [each.name for each in queue.schedules]
            queue.schedules.delete("add")
            with pytest.raises(CallRefused, match="no such schedule"):
                queue.schedules.get("add")
            return created, result, shown, names

    created, result, shown, names = await asyncio.to_thread(script)

    assert (created.name, created.when, created.data) == ("add", "At 03:00 every day (UTC)", SUM)
    assert (created.missed, created.overlap, created.origin) == (
        Missed.SKIP,
        Overlap.SKIP,
        Origin.API,
    )
    assert (result, names) == (5, ["add"])
    [slot] = shown.slots
    assert (slot.run_now, slot.status, len(shown.upcoming)) == (True, Status.COMPLETED, 5)


async def test_the_asynchronous_client_has_the_same_words(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        created = await queue.schedules.put("sums", "add", every=timedelta(hours=1), data=SUM)
        with pytest.raises(CallRefused, match="schedule exists"):
            await queue.schedules.create("add", name="sums", every=60, data=SUM)
        changed = await queue.schedules.change("sums", every=7200, within_s=60)
        unlimited = await queue.schedules.change("sums", within_s=None)
        paused = await queue.schedules.pause("sums", reason="too loud")
        result = await (await queue.schedules.run("sums")).result(timeout_s=20)
        resumed = await queue.schedules.resume("sums")
        listed = await queue.schedules.list()
        await queue.schedules.delete("sums")

    assert [each.every_s for each in (created, changed)] == [3600, 7200]
    assert [each.within_s for each in (changed, unlimited)] == [60.0, None]
    assert (paused.paused_because, paused.next_at, result) == ("too loud", None, 5)
    assert (resumed.paused, [each.name for each in listed]) == (False, ["sums"])


async def test_what_does_not_fit_is_named(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        with pytest.raises(CallRefused) as caught:
            await queue.schedules.create("add", cron="* *", timezone="Mars", data={"left": 1})

    assert {fault.field for fault in caught.value.faults} == {"cron", "timezone", "data.right"}


async def test_a_schedule_fires_by_itself(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        await queue.schedules.create("add", every=1, data=SUM)

        fired = await service.wait_for("schedule_fired", schedule="add")
        task = await queue.task(fired["task_id"]).wait(timeout_s=20)

    assert (task.status, task.result) == (Status.COMPLETED, 5)
