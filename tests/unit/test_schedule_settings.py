"""Schedules in the settings: `[[schedules]]` in the file, or a list in JSON."""

import asyncio
from pathlib import Path

import pytest

from taskqueue import App, ConfigError, Service, Settings
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.words import Missed, Origin, Overlap
from taskqueue.settings import checked, load
from taskqueue.settings.schedule_kind import Schedules

TABLES = """
[[schedules]]
action = "tidy"
every_s = "1h"
data = { keep_days = 7 }

[[schedules]]
name = "nightly"
action = "report"
cron = "0 3 * * *"
timezone = "Europe/Berlin"
missed = "all"
within_s = 300
overlap = "queue"
"""
WRONG = """
[[schedules]]
action = "tidy"
cron = "61 * * * *"
timezone = "Mars"
often = true

[[schedules]]
every_s = 1.5
missed = "some"
within_s = -1
data = 5

[[schedules]]
name = "tidy"
action = "tidy"
cron = "@daily"
every_s = 60
"""


def from_file(folder: Path, text: str) -> Settings:
    (folder / "taskqueue.toml").write_text(text)
    return load({}, {}, folder)


def test_schedules_are_tables_of_the_file(tmp_path: Path) -> None:
    tidy, nightly = from_file(tmp_path, TABLES).schedules

    assert (tidy.name, tidy.plan.action, tidy.origin) == ("tidy", "tidy", Origin.FILE)
    assert (tidy.plan.timing, tidy.plan.data) == (Timing(every_s=3600), '{"keep_days":7}')
    assert nightly.plan.timing == Timing(cron="0 3 * * *", timezone="Europe/Berlin")
    assert (nightly.plan.missed, nightly.plan.within_s, nightly.plan.overlap) == (
        Missed.ALL,
        300.0,
        Overlap.QUEUE,
    )


def test_what_is_shown_reads_back(tmp_path: Path) -> None:
    settings = from_file(tmp_path, TABLES)
    text = Schedules().spell(settings.schedules)

    assert load({"schedules": text}, {}, tmp_path).schedules == settings.schedules
    assert load({}, {"TASKQUEUE_SCHEDULES": text}, tmp_path).schedules == settings.schedules
    assert checked(settings).schedules == settings.schedules


def test_every_fault_of_every_schedule_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        from_file(tmp_path, WRONG)

    named = [str(fault).partition(" in taskqueue.toml: ")[0] for fault in caught.value.faults]
    assert sorted(named) == [
        "schedules[0].cron",
        "schedules[0].often",
        "schedules[0].timezone",
        "schedules[1].action",
        "schedules[1].data",
        "schedules[1].every_s",
        "schedules[1].missed",
        "schedules[1].within_s",
        "schedules[2].cron",
        "schedules[2].name",
    ]


@pytest.mark.parametrize("value", ["no JSON", "[5]", "{}"])
def test_what_is_no_list_of_tables_is_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--schedules: expected tables"):
        load({"schedules": value}, {}, tmp_path)


async def test_a_service_does_not_start_with_what_its_app_does_not_know(tmp_path: Path) -> None:
    app = App()

    @app.schedule("@daily", name="nightly")
    @app.task("report")
    async def report(n: int = 0) -> None: ...

    unknown = {"action": "tidy", "every_s": 3600}
    unfit = {"name": "nightly", "action": "report", "cron": "@daily", "data": {"n": "x"}}
    service = Service(app, database="memory:", http=False, schedules=[unknown, unfit])

    with pytest.raises(ConfigError) as caught:
        async with service:
            pass

    assert [str(fault) for fault in caught.value.faults] == [
        "schedule 'tidy', action: unknown; this app knows: report",
        "schedule 'nightly', name: the code has a schedule of this name",
        "schedule 'nightly', data.n: Expected `int`, got `str`",
    ]


async def test_a_schedule_of_the_settings_fires() -> None:
    app = App()
    loop, ran = asyncio.get_running_loop(), asyncio.Event()

    @app.task("tick")
    async def tick(slot: str) -> None:
        loop.call_soon_threadsafe(ran.set)

    every_second = {"action": "tick", "every_s": 1, "data": {"slot": "{slot}"}}
    async with (
        asyncio.timeout(20),
        Service(app, database="memory:", http=False, schedules=[every_second]),
    ):
        await ran.wait()
