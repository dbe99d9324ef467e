"""`GET /activity`: what was done lately."""

from aiohttp import ClientSession

from taskqueue.rules.service_activity import Restart
from tests.gateway.scripted import NOW, ScriptedService

RESTART = Restart(
    at=NOW - 5.0, supervisor="consumers", child_id="consumer-1", incarnation=2, reason="killed"
)


async def test_what_was_done_is_shown_with_the_restarts(
    http: ClientSession, service: ScriptedService
) -> None:
    service.activity.begin(NOW - 100.0)
    service.activity.ended("mail", NOW, waited_s=0.25, ran_s=1.0, completed=1, failed=0)
    service.activity.service.enqueued(2, NOW)
    service.activity.service.restarted(RESTART)

    answer = await http.get("/activity")

    assert answer.status == 200
    body = await answer.json()
    [bucket] = body.pop("buckets")
    assert body == {
        "since": NOW - 100.0,
        "until": NOW,
        "bucket_s": 10.0,
        "restarts": [
            {
                "at": NOW - 5.0,
                "supervisor": "consumers",
                "child_id": "consumer-1",
                "incarnation": 2,
                "reason": "killed",
            }
        ],
    }
    assert (bucket["at"], bucket["enqueued"], bucket["completed"]) == (NOW, 2, 1)
    assert bucket["wait_s"]["max"] == 0.25


async def test_the_time_to_look_back_is_bounded(
    http: ClientSession, service: ScriptedService
) -> None:
    service.activity.begin(NOW - 10_000.0)
    service.activity.service.enqueued(1, NOW - 300.0)

    short = await http.get("/activity?minutes=2")
    wrong = await http.get("/activity?minutes=61")

    assert (await short.json())["buckets"] == []
    assert (await short.json())["since"] == NOW - 110.0
    assert wrong.status == 422
    [fault] = (await wrong.json())["faults"]
    assert fault == {"field": "minutes", "message": "must be a whole number from 1 to 60"}
