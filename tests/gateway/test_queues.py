"""Which queues there are, and whether their tasks are handed out."""

from urllib.parse import quote

import pytest
from aiohttp import ClientResponse, ClientSession
from msgspec.structs import replace
from yarl import URL

from taskqueue.api.context import Context
from taskqueue.commands import Enqueue, Pause
from taskqueue.errors import ActorUnavailable
from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.options import Options
from tests.gateway.scripted import CONSUMERS, NOW, OWNER, SLOTS, TOO_MANY, ScriptedService

JSON = {"Content-Type": "application/json"}
SWITCHES = ["pause", "resume"]


async def switch(
    http: ClientSession, word: str, name: str = "mail", **headers: str
) -> ClientResponse:
    return await http.post(f"/queues/{name}/{word}", headers=JSON | headers)


async def test_all_queues_are_shown(http: ClientSession, service: ScriptedService) -> None:
    service.app.queue("mail", ageing_s=60.0)
    await service(Pause(queue="mail"))
    for action, run_at in (("uppercase", NOW - 90.0), ("uppercase", NOW + 1.0), ("send", NOW)):
        task = service.app.prepare(action, options=Options(run_at=run_at))
        await service(Enqueue(tasks=(task,)))

    answer = await http.get("/queues")

    assert answer.status == 200
    body = await answer.json()
    assert [[each["minutes"] for each in queue.pop("recent")] for queue in body["queues"]] == [
        [1, 5, 15],
        [1, 5, 15],
    ]
    assert body == {
        "queues": [
            {
                "queue": "default",
                "paused": False,
                "paused_at": None,
                "consumers": CONSUMERS,
                "ageing_s": None,
                "takes_turns": False,
                "oldest_runnable_s": 90.0,
                "tasks": {"queued": 1, "scheduled": 1, "running": 0, "retrying": 0},
                "limits": [],
            },
            {
                "queue": "mail",
                "paused": True,
                "paused_at": NOW,
                "consumers": CONSUMERS,
                "ageing_s": 60.0,
                "takes_turns": False,
                "oldest_runnable_s": None,
                "tasks": {"queued": 1, "scheduled": 0, "running": 0, "retrying": 0},
                "limits": [],
            },
        ]
    }


async def test_a_queue_is_shown_with_its_last_minutes(
    http: ClientSession, service: ScriptedService
) -> None:
    service.activity.begin(NOW - 30.0)
    for completed in (1, 1, 0):
        service.activity.ended(
            "default", NOW, waited_s=2.0, ran_s=4.0, completed=completed, failed=1 - completed
        )

    shown, idle = (await (await http.get("/queues")).json())["queues"]

    rates = {"counted_s": 30.0, "completed_per_min": 4.0, "failed_per_min": 2.0}
    waits = {"p50": 2.0, "p95": 2.0, "max": 2.0}
    runs = {"p50": 4.0, "p95": 4.0, "max": 4.0}
    assert shown["recent"] == [
        {"minutes": n, **rates, "wait_s": waits, "run_s": runs} for n in (1, 5, 15)
    ]
    assert [each["wait_s"] for each in idle["recent"]] == [None] * 3


async def test_a_queue_is_shown_with_the_limits_that_hold_its_tasks_back(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.storage.declare_limits({"smtp": LimitValues(running=1)}, now=NOW)
    task = service.app.prepare("send")
    limited = [
        replace(task, id=f"{task.id[:-1]}{n}", limits=encoded((LimitUse("smtp"),)))
        for n in range(3)
    ]
    await service.storage.insert(limited, now=NOW)
    await service.storage.claim("mail", limit=1, owner=OWNER, lease_s=60.0, now=NOW)

    default, mail = (await (await http.get("/queues")).json())["queues"]

    assert mail["limits"] == [{"name": "smtp", "running": 1, "waiting": 2}]
    assert default["limits"] == []


async def test_a_queue_is_paused_and_resumed_as_often_as_is_asked_for(
    http: ClientSession, service: ScriptedService
) -> None:
    paused = [await switch(http, "pause") for _ in range(2)]
    while_paused = await service.storage.paused()
    resumed = [await switch(http, "resume") for _ in range(2)]

    for answers, state in ((paused, True), (resumed, False)):
        for answer in answers:
            assert answer.status == 200
            assert await answer.json() == {"queue": "mail", "paused": state}
    assert while_paused == {"mail": NOW}
    assert await service.storage.paused() == {}


async def test_a_paused_queue_goes_on_taking_tasks_in(
    http: ClientSession, service: ScriptedService
) -> None:
    await switch(http, "pause")

    answer = await http.post("/tasks", json={"action": "send"})

    assert answer.status == 202


@pytest.mark.parametrize("name", ["a/b ä?", "{tenant}", "}{", "a%2Fb", "#1"])
@pytest.mark.parametrize("word", SWITCHES)
async def test_a_queue_is_found_by_whatever_name_it_has(
    http: ClientSession, service: ScriptedService, name: str, word: str
) -> None:
    @service.app.task("odd", queue=name)
    async def odd(ctx: Context) -> None: ...

    path = URL(f"/queues/{quote(name, safe='')}/{word}", encoded=True)
    answer = await http.post(path, headers=JSON)

    assert answer.status == 200
    assert await answer.json() == {"queue": name, "paused": word == "pause"}


@pytest.mark.parametrize("word", SWITCHES)
async def test_a_queue_that_nobody_serves_is_not_found_and_those_there_are_named(
    http: ClientSession, service: ScriptedService, word: str
) -> None:
    answer = await switch(http, word, "male")

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (404, "no such queue")
    assert "default, mail" in problem["detail"]
    assert await service.storage.paused() == {}


@pytest.mark.parametrize("word", SWITCHES)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Host": "elsewhere.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_a_page_of_another_site_switches_nothing(
    http: ClientSession,
    service: ScriptedService,
    word: str,
    headers: dict[str, str],
    status: int,
) -> None:
    await service(Pause(queue="default"))

    answers = [await switch(http, word, name, **headers) for name in ("default", "mail")]

    assert [answer.status for answer in answers] == [status, status]
    assert await service.storage.paused() == {"default": NOW}


async def test_who_cannot_be_served_now_is_invited_back(
    http: ClientSession, service: ScriptedService
) -> None:
    service.fault = ActorUnavailable("queue")

    answers = [await http.get("/queues"), *[await switch(http, word) for word in SWITCHES]]

    for answer in answers:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


async def test_a_queue_without_runnable_tasks_has_no_oldest(
    http: ClientSession, service: ScriptedService
) -> None:
    task = service.app.prepare("uppercase", options=Options(run_at=NOW + 1.0))
    await service(Enqueue(tasks=(task,)))

    queues = (await (await http.get("/queues")).json())["queues"]

    assert [queue["oldest_runnable_s"] for queue in queues] == [None, None]


# --- consumers ----------------------------------------------------------------------------------


CONFIGURED = {"count": CONSUMERS, "slots": SLOTS}


async def resize(http: ClientSession, body: str, name: str = "mail") -> ClientResponse:
    return await http.put(f"/queues/{name}/consumers", data=body, headers=JSON)


def size(count: int, slots: int, *, is_changed: bool = True) -> dict[str, object]:
    return {
        "queues": ["default", "mail"],
        "count": count,
        "slots": slots,
        "configured": CONFIGURED,
        "is_changed": is_changed,
    }


async def test_consumers_and_slots_are_changed_together_or_one_by_one(http: ClientSession) -> None:
    bodies = ('{"count": 4, "slots": 8.0}', '{"slots": 3}', '{"count": 0}', "{}", '{"slots": null}')

    answers = [await resize(http, body) for body in bodies]
    shown = await http.get("/queues/mail/consumers")
    back = await resize(http, '{"count": null}')

    assert [(each.status, await each.json()) for each in answers] == [
        (202, size(4, 8)),
        (202, size(4, 3)),
        (202, size(0, 3)),
        (202, size(0, 3)),
        (202, size(0, SLOTS)),
    ]
    assert (shown.status, await shown.json()) == (200, size(0, SLOTS))
    assert await back.json() == size(CONSUMERS, SLOTS, is_changed=False)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ('{"count": -1, "slots": 0}', ["count", "slots"]),
        ('{"count": 1025}', ["count"]),
        ('{"count": 1.5, "slots": 2.5}', ["count", "slots"]),
        ('{"slots": "8"}', ["slots"]),
        ('{"slots": 1025}', ["slots"]),
        ('{"size": 4}', ["size"]),
        (f'{{"count": {TOO_MANY}}}', ["count"]),
        ("4", [""]),
    ],
)
async def test_what_is_no_size_changes_nothing_and_says_what_one_is(
    http: ClientSession, body: str, fields: list[str]
) -> None:
    answer = await resize(http, body)

    problem = await answer.json()
    assert answer.status == 422
    assert [fault["field"] for fault in problem["faults"]] == fields
    shown = await (await http.get("/queues/mail/consumers")).json()
    assert shown == size(CONSUMERS, SLOTS, is_changed=False)


async def test_the_fault_says_what_a_size_is(http: ClientSession) -> None:
    faults = (await (await resize(http, '{"count": 0.5, "slots": 0}')).json())["faults"]

    assert faults == [
        {
            "field": name,
            "message": f"must be a whole number from {least} to 1024, "
            "or null for the configured one",
        }
        for name, least in (("count", 0), ("slots", 1))
    ]


async def test_a_queue_that_nobody_serves_has_no_consumers(http: ClientSession) -> None:
    answers = [
        await http.get("/queues/male/consumers"),
        await resize(http, '{"count": 4}', "male"),
    ]

    for answer in answers:
        problem = await answer.json()
        assert (answer.status, problem["error"]) == (404, "no such queue")
        assert "default, mail" in problem["detail"]
