"""What is declared of fair shares when an action is registered, and in which flow its tasks are."""

import doctest
from typing import Any

import pytest

from taskqueue import App, ConfigError, InvalidTask, Limit
from taskqueue.api import fields
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import NewTask


def registered(app: App | None = None, action: str = "report", **options: Any) -> App:
    app = app or App()

    @app.task(action, **options)
    async def report(tenant: str | float | None = "none", size: float = 1.0) -> None: ...

    return app


def share(task: NewTask) -> tuple[str | None, float]:
    return task.flow, task.weight


@pytest.mark.parametrize(
    ("options", "data", "expected"),
    [
        ({"fair_by": "tenant"}, b'{"tenant": "acme"}', ("tenant=acme", 1.0)),
        ({"fair_by": "tenant"}, b'{"tenant": 7}', ("tenant=7", 1.0)),
        ({"fair_by": "tenant"}, b'{"tenant": 7.0}', ("tenant=7", 1.0)),
        ({"fair_by": "tenant"}, b"{}", ("tenant=none", 1.0)),
        ({"fair_by": "tenant", "weight": 2}, b"{}", ("tenant=none", 2.0)),
        ({"fair_by": "tenant", "weight": "size"}, b'{"size": 2.5}', ("tenant=none", 2.5)),
        ({"fair_by": "tenant", "weight": "tenant"}, b'{"tenant": 4}', ("tenant=4", 4.0)),
        ({}, b'{"tenant": "acme"}', (None, 1.0)),
    ],
)
def test_a_task_takes_the_turns_of_the_flow_that_its_data_names(
    options: Any, data: bytes, expected: tuple[str | None, float]
) -> None:
    assert share(registered(**options).prepare("report", data)) == expected


def test_what_is_fair_by_nothing_is_one_more_flow_where_others_take_turns() -> None:
    app = registered(fair_by="tenant", weight=2, queue="reports")
    registered(app, "sweep", queue="reports")
    registered(app, "elsewhere")

    sent = app.prepare("elsewhere", options=Options(queue="reports"))
    moved = app.prepare("report", options=Options(queue="default"))

    assert share(app.prepare("sweep")) == ("", 1.0)
    assert share(sent) == ("", 1.0)
    assert share(app.prepare("elsewhere")) == (None, 1.0)
    assert share(moved) == ("tenant=none", 2.0)


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (b'{"tenant": ""}', ["data.tenant: must be a number, or text of 1 to 255"]),
        (b'{"tenant": "a\\nb"}', ["data.tenant: must be a number, or text of 1 to 255"]),
        (b'{"tenant": null}', ["data.tenant: must be a number, or text of 1 to 255"]),
        (b'{"size": 0}', ["data.size: must be a number from 0.001 to 1,000: it is a weight"]),
        (
            b'{"tenant": "", "size": 1001}',
            [
                "data.tenant: must give the limit 'smtp' a key",
                "data.tenant: must be a number, or text",
                "data.size: must be a number from 0.001",
            ],
        ),
    ],
)
def test_data_that_gives_no_flow_or_no_weight_is_refused(data: bytes, faults: list[str]) -> None:
    limit = Limit(running=1, key="smtp:{tenant}") if len(faults) > 1 else ()
    app = registered(fair_by="tenant", weight="size", limit=limit)

    with pytest.raises(InvalidTask) as caught:
        app.prepare("report", data)

    found = [str(fault) for fault in caught.value.faults]
    assert [said[: len(fault)] for said, fault in zip(found, faults, strict=True)] == faults


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"fair_by": "city"}, ["fair_by: the handler takes no 'city'"]),
        ({"fair_by": 7}, ["fair_by: must be the name of a field of the data"]),
        ({"weight": 2}, ["weight: needs fair_by beside it"]),
        (
            {"fair_by": "city", "weight": "town", "limit": Limit(), "unique_by": ("street",)},
            [
                "unique_by: the handler takes no 'street'",
                "fair_by: the handler takes no 'city'",
                "weight: the handler takes no 'town'",
                "limit.running: is missing; give running, starts, or both",
            ],
        ),
        *(
            ({"fair_by": "tenant", "weight": wrong}, ["weight: must be a number from 0.001 to"])
            for wrong in (0, -1, 1_001, True, float("nan"), (1,))
        ),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_every_fault(
    options: Any, faults: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        registered(**options)

    found = [str(fault).removeprefix("task 'report', ") for fault in caught.value.faults]
    assert [said[: len(fault)] for said, fault in zip(found, faults, strict=True)] == faults


def test_a_queue_is_not_shared_for_an_action_that_was_refused() -> None:
    app = App()
    with pytest.raises(ConfigError):
        registered(app, fair_by="city")
    registered(app)

    assert app.prepare("report").flow is None


def test_the_examples_in_the_fields_hold() -> None:
    assert doctest.testmod(fields).failed == 0
