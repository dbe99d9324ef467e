"""The nodes that share a database, as every one of them shows and drains them."""

from typing import Any

from aiohttp import ClientSession
from msgspec.structs import replace

from taskqueue.rules.nodes import FORGOTTEN_S, SILENT_S
from taskqueue.rules.tasks import Owner
from taskqueue.testing.contract.nodes import heartbeat
from tests.gateway.scripted import NOW, ScriptedService

JSON = {"Content-Type": "application/json"}
ONE = Owner(node="one", incarnation="a")
TWO = Owner(node="two", incarnation="b")


async def nodes(http: ClientSession) -> list[dict[str, Any]]:
    answer = await http.get("/nodes")
    assert answer.status == 200, await answer.text()
    found: list[dict[str, Any]] = (await answer.json())["nodes"]
    return found


async def test_nodes_are_shown_by_name_as_they_have_last_said(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.storage.beat(heartbeat(TWO, running=3), now=NOW - 1.5)
    await service.storage.beat(replace(heartbeat(ONE), address=None), now=NOW)

    one, two = await nodes(http)

    assert two == {
        "name": "two",
        "state": "serving",
        "incarnation": "b",
        "version": "1.2.3",
        "address": "http://127.0.0.1:8080",
        "started_at": 1.0,
        "beat_at": NOW - 1.5,
        "age_s": 1.5,
        "draining_since": None,
        "queues": ["default", "mail"],
        "consumers": 2,
        "slots": 64,
        "running": 3,
    }
    assert (one["name"], one["address"], one["age_s"]) == ("one", None, 0.0)


async def test_a_node_is_silent_after_its_heartbeats_have_failed_to_come(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.storage.beat(heartbeat(ONE), now=NOW - SILENT_S)
    await service.storage.beat(heartbeat(TWO), now=NOW - SILENT_S - 0.1)
    await service.storage.drain_node("two", now=NOW)

    one, two = await nodes(http)

    assert (one["state"], two["state"], two["draining_since"]) == ("serving", "silent", NOW)
    assert SILENT_S < FORGOTTEN_S


async def test_a_node_is_drained_and_resumed_and_both_may_be_repeated(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.storage.beat(heartbeat(ONE), now=NOW - 1.0)

    drained = [await http.post("/nodes/one/drain", headers=JSON) for _ in range(2)]
    [draining] = await nodes(http)
    resumed = [await http.post("/nodes/one/resume", headers=JSON) for _ in range(2)]
    [serving] = await nodes(http)

    assert [await each.json() for each in drained] == [{"node": "one", "draining": True}] * 2
    assert [await each.json() for each in resumed] == [{"node": "one", "draining": False}] * 2
    assert (draining["state"], draining["draining_since"]) == ("draining", NOW)
    assert (serving["state"], serving["draining_since"]) == ("serving", None)


async def test_who_drains_a_node_that_is_not_there_learns_which_there_are(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.storage.beat(heartbeat(ONE), now=NOW)

    answers = [await http.post(f"/nodes/won/{verb}", headers=JSON) for verb in ("drain", "resume")]

    assert [each.status for each in answers] == [404, 404]
    for each in answers:
        problem = await each.json()
        assert problem["error"] == "no such node"
        assert problem["detail"] == "There is no node 'won'; there are: one."
