"""`@app.schedule`: what it registers, and what it refuses."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from taskqueue import App, ConfigError, every
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.words import Missed, Origin, Overlap

Register = Callable[[App], object]


def report(app: App) -> object:
    @app.task("report")
    async def report(day: str = "", n: int = 0) -> None: ...

    return report


def test_schedules_are_stacked_above_their_action() -> None:
    app = App()

    @app.schedule("0 3 * * *", timezone="Europe/Berlin", data={"day": "{slot}"}, missed="all")
    @app.schedule(every(minutes=5), name="often", overlap="queue", within_s=60)
    @app.task("report")
    async def report(day: str = "") -> None: ...

    nightly, often = app.schedules["report"], app.schedules["often"]
    assert (nightly.origin, nightly.plan.action) == (Origin.CODE, "report")
    assert nightly.plan.timing == Timing(cron="0 3 * * *", timezone="Europe/Berlin")
    assert (nightly.plan.data, nightly.plan.missed) == ('{"day":"{slot}"}', Missed.ALL)
    assert often.plan.timing == Timing(every_s=300)
    assert (often.plan.overlap, often.plan.within_s) == (Overlap.QUEUE, 60.0)
    task = app.prepare_scheduled(nightly.plan, 0.0)
    assert task.payload == '{"action":"report","data":{"day":"1970-01-01T00:00:00Z"}}'
    assert report.name == "report"


@pytest.mark.parametrize(
    ("register", "fault"),
    [
        (
            lambda app: app.schedule("0 25 * * *")(report(app)),
            "schedule 'report', cron: Bad hour in '0 25 * * *'; expected five fields",
        ),
        (
            lambda app: app.schedule(every(seconds=0.5))(report(app)),
            "schedule 'report', every_s: must be whole seconds",
        ),
        (
            lambda app: app.schedule("@daily", timezone="Mars")(report(app)),
            "schedule 'report', timezone: there is no time zone 'Mars'",
        ),
        (
            lambda app: app.schedule("@daily", data={"n": "{slot}"})(report(app)),
            "schedule 'report', data.n: Expected `int`, got `str`",
        ),
        (
            lambda app: app.schedule("@daily", data={"n": object()})(report(app)),
            "schedule 'report', data.n: ",
        ),
        (
            lambda app: app.schedule("@daily")(app.schedule("@hourly")(report(app))),
            "schedule 'report', name: is registered already; give this one a name of its own",
        ),
        (
            lambda app: app.schedule("@daily", missed="some")(report(app)),
            "schedule 'report', missed: must be one of latest, all, skip, not 'some'",
        ),
        (
            lambda app: app.schedule("@daily", overlap="some")(report(app)),
            "schedule 'report', overlap: must be one of skip, queue, allow, cancel, not 'some'",
        ),
        (
            lambda app: app.schedule("@daily", within_s=-1)(report(app)),
            "schedule 'report', within_s: must be a number of seconds",
        ),
        (
            lambda app: app.schedule("@daily", within_s="soon")(report(app)),  # type: ignore[arg-type]
            "schedule 'report', within_s: must be a number of seconds",
        ),
        (
            lambda app: app.schedule("@daily", name=[])(report(app)),  # type: ignore[arg-type]
            "name: must be 1 to 128 printable characters",
        ),
        (
            lambda app: app.schedule("@daily", timezone=5)(report(app)),  # type: ignore[arg-type]
            "schedule 'report', timezone: there is no time zone 5",
        ),
        (
            lambda app: app.schedule("@daily", name="")(report(app)),
            "schedule '', name: must be 1 to 128 printable characters",
        ),
        (
            lambda app: app.schedule(5)(report(app)),  # type: ignore[arg-type]
            "schedule 'report', when: must be a cron expression or an interval",
        ),
        (
            lambda app: app.schedule("@daily")(lambda: None),  # type: ignore[type-var]
            "schedule: must stand above @app.task, which makes the action",
        ),
    ],
)
def test_a_schedule_that_cannot_work_is_refused(register: Register, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        register(App())

    assert fault in str(caught.value)


def test_an_interval_may_be_a_timedelta() -> None:
    app = App()

    @app.schedule(timedelta(hours=1))
    @app.task
    def tidy() -> None: ...

    assert app.schedules["tidy"].plan.timing == Timing(every_s=3600)
