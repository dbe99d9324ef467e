"""POST /tasks under a key: sent again, it is not done again."""

import json
import socket
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from multidict import CIMultiDict

from taskqueue.errors import AskTimeout, StorageUnavailable
from taskqueue.rules.tasks import Complete, Task
from tests.gateway.scripted import NOW, ScriptedService
from tests.gateway.wire import exchange, request

BODY = {"action": "uppercase", "data": {"text": "hi"}}
OTHER = {"action": "uppercase", "data": {"text": "ho"}}
LIST = [BODY, OTHER, {"action": "send"}]


async def post(http: ClientSession, body: object, key: str | None = None) -> ClientResponse:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await http.post("/tasks", json=body, headers=headers)


async def stored(service: ScriptedService) -> tuple[Task, ...]:
    """Everything that was accepted, oldest first."""
    return tuple(reversed(await service.storage.find(limit=1000, now=NOW)))


def faults(problem: dict[str, Any]) -> dict[str, str]:
    return {fault["field"]: fault["message"] for fault in problem["faults"]}


# --- one task ------------------------------------------------------------------------------------


async def test_the_same_request_under_the_same_key_gets_the_first_answer_again(
    http: ClientSession, service: ScriptedService
) -> None:
    first = await post(http, BODY, "k")

    again = await post(http, BODY, "k")

    assert (first.status, again.status) == (202, 202)
    assert await again.json() == await first.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [task.unique_key for task in await stored(service)] == ["k"]


async def test_the_answer_is_the_first_also_when_the_task_has_ended(
    http: ClientSession, service: ScriptedService
) -> None:
    first = await (await post(http, BODY, "k")).json()
    await service.settle_next(Complete(result="1"))

    again = await post(http, BODY, "k")

    assert await again.json() == first
    assert len(await stored(service)) == 1


async def test_a_delay_counts_from_the_first_request_and_makes_no_conflict(
    http: ClientSession, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(http, BODY | {"delay_s": 60}, "k")
    monkeypatch.setattr("tests.gateway.scripted.StillClock.now", lambda _: NOW + 30)

    again = await post(http, BODY | {"delay_s": 60}, "k")

    [task] = await stored(service)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert task.run_at == NOW + 60


@pytest.mark.parametrize(
    "other", [OTHER, BODY | {"priority": 1}, BODY | {"delay_s": 1}, {"action": "send"}]
)
async def test_another_request_under_the_same_key_is_refused_and_told_whose_key_it_is(
    http: ClientSession, service: ScriptedService, other: dict[str, object]
) -> None:
    await post(http, BODY, "k")

    answer = await post(http, other, "k")

    [task] = await stored(service)
    problem = await answer.json()
    assert (answer.status, problem["error"]) == (422, "idempotency key reused")
    assert task.id in faults(problem)["unique_key"]
    assert json.loads(task.payload) == BODY


async def test_a_key_is_the_same_in_both_encodings_of_a_header(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    body = json.dumps(BODY).encode()
    headers = [b"Idempotency-Key: " + "größe".encode(coding) for coding in ("utf-8", "latin-1")]

    first, again = [await exchange(sock, request("POST", "/tasks", h, body=body)) for h in headers]

    assert (first.status, again.status, again.body) == (202, 202, first.body)
    assert [task.unique_key for task in await stored(service)] == ["größe"]


async def test_other_keys_and_no_key_are_other_tasks(
    http: ClientSession, service: ScriptedService
) -> None:
    answers = [await post(http, BODY, key) for key in ("k", "K", None, None)]

    assert [answer.status for answer in answers] == [202] * 4
    assert len({(await answer.json())["id"] for answer in answers}) == 4
    assert len(await stored(service)) == 4


async def test_a_key_in_the_body_does_the_same_as_one_in_the_header(
    http: ClientSession, service: ScriptedService
) -> None:
    first = await post(http, BODY | {"unique_key": "k"})

    again = await post(http, BODY, "k")
    both = await post(http, BODY | {"unique_key": "k"}, "k")

    assert await again.json() == await both.json() == await first.json()
    assert len(await stored(service)) == 1


async def test_a_header_and_another_key_in_the_body_contradict_each_other(
    http: ClientSession, service: ScriptedService
) -> None:
    answer = await post(http, BODY | {"unique_key": "other"}, "k")

    assert answer.status == 422
    assert faults(await answer.json()).keys() == {"unique_key"}
    assert await stored(service) == ()


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"k"', "k"),
        (r'"a \"b\" \\ c"', r'a "b" \ c'),
        ("k", "k"),
        ("two words", "two words"),
        ("x" * 255, "x" * 255),
    ],
)
async def test_a_key_is_plain_or_a_structured_string(
    http: ClientSession, service: ScriptedService, header: str, key: str
) -> None:
    answer = await post(http, BODY, header)

    [task] = await stored(service)
    assert answer.status == 202
    assert task.unique_key == key


@pytest.mark.parametrize("header", ["", '""', '"', '"k', r'"\k"', '"a"b"', "x" * 256, "tab\there"])
async def test_what_is_no_key_is_refused(
    http: ClientSession, service: ScriptedService, header: str
) -> None:
    answer = await post(http, BODY, header)

    assert answer.status == 422
    assert faults(await answer.json()).keys() == {"Idempotency-Key"}
    assert await stored(service) == ()


async def test_two_keys_are_refused(http: ClientSession, service: ScriptedService) -> None:
    headers = CIMultiDict([("Idempotency-Key", "a"), ("Idempotency-Key", "b")])

    answer = await http.post("/tasks", json=BODY, headers=headers)

    assert answer.status == 422
    assert faults(await answer.json()) == {"Idempotency-Key": "given twice"}
    assert await stored(service) == ()


@pytest.mark.parametrize("key", [7, "", "x" * 256, "two\nlines"])
async def test_a_field_that_is_no_key_is_refused(
    http: ClientSession, service: ScriptedService, key: object
) -> None:
    answer = await post(http, BODY | {"unique_key": key})

    assert answer.status == 422
    assert faults(await answer.json()).keys() == {"unique_key"}
    assert await stored(service) == ()


# --- when the answer is lost ---------------------------------------------------------------------


@pytest.mark.parametrize("body", [BODY, LIST])
async def test_with_a_key_a_second_try_after_a_503_is_safe(
    http: ClientSession, service: ScriptedService, body: object
) -> None:
    service.lost_answer = AskTimeout("queue", 5.0)
    lost = await post(http, body, "k")
    before = await stored(service)
    service.lost_answer = None

    again = await post(http, body, "k")

    assert (lost.status, again.status) == (503, 202)
    assert "will be queued once" in (await lost.json())["detail"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await stored(service) == before


async def test_with_a_key_a_second_try_queues_what_the_first_has_not(
    http: ClientSession, service: ScriptedService
) -> None:
    service.fault = StorageUnavailable("disk full")
    refused = await post(http, BODY, "k")
    service.fault = None

    again = await post(http, BODY, "k")

    assert (refused.status, again.status) == (503, 202)
    assert "Idempotent-Replayed" not in again.headers
    assert len(await stored(service)) == 1


async def test_without_a_key_a_503_warns_of_a_second_try_and_says_what_would_help(
    http: ClientSession, service: ScriptedService
) -> None:
    service.lost_answer = AskTimeout("queue", 5.0)

    answer = await post(http, BODY)

    detail = (await answer.json())["detail"]
    assert "may queue it a second time" in detail
    assert "Idempotency-Key" in detail


# --- a list --------------------------------------------------------------------------------------


async def test_a_list_is_done_once_under_its_key(
    http: ClientSession, service: ScriptedService
) -> None:
    first = await post(http, LIST, "k")

    again = await post(http, LIST, "k")

    assert (first.status, again.status) == (202, 202)
    assert await again.json() == await first.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [task.unique_key for task in await stored(service)] == ["k/0", "k/1", "k/2"]


@pytest.mark.parametrize("length", [253, 254, 255])
async def test_a_list_is_done_once_under_a_key_of_any_length(
    http: ClientSession, service: ScriptedService, length: int
) -> None:
    key = "k" * length
    first = await post(http, LIST, key)

    again = await post(http, LIST, key)
    shorter = await post(http, LIST[:2], key)
    other = await post(http, LIST, key[:-1] + "o")

    assert (first.status, again.status, shorter.status, other.status) == (202, 202, 422, 202)
    assert await again.json() == await first.json()
    assert len(await stored(service)) == 2 * len(LIST)


@pytest.mark.parametrize(
    "other",
    [[BODY, OTHER, BODY], LIST[::-1], LIST[:2], [*LIST[:2], {"action": "send", "priority": 1}]],
)
async def test_a_list_with_any_change_is_a_conflict_of_each_of_its_tasks(
    http: ClientSession, service: ScriptedService, other: list[object]
) -> None:
    await post(http, LIST, "k")
    before = await stored(service)

    answer = await post(http, other, "k")

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (422, "idempotency key reused")
    assert faults(problem).keys() == {f"[{index}].unique_key" for index in range(len(other))}
    assert all(
        task.id in faults(problem)[f"[{i}].unique_key"]
        for i, task in enumerate(before[: len(other)])
    )
    assert await stored(service) == before


async def test_tasks_of_a_list_may_have_keys_of_their_own(
    http: ClientSession, service: ScriptedService
) -> None:
    keyed = [BODY | {"unique_key": "a"}, BODY | {"unique_key": "b"}]
    more = [*keyed, BODY | {"unique_key": "c"}]
    first = await (await post(http, keyed)).json()

    answer = await post(http, more)

    accepted = await answer.json()
    assert answer.status == 202
    assert accepted["tasks"][:2] == first["tasks"]
    assert "Idempotent-Replayed" not in answer.headers
    assert [task.unique_key for task in await stored(service)] == ["a", "b", "c"]


async def test_a_conflict_in_a_list_with_keys_names_its_task_and_how_many_others_were_queued(
    http: ClientSession, service: ScriptedService
) -> None:
    await post(http, BODY | {"unique_key": "a"})
    other = [OTHER | {"unique_key": "a"}, OTHER | {"unique_key": "b"}]

    answer = await post(http, other)

    old, new = await stored(service)
    problem = await answer.json()
    assert (answer.status, problem["error"]) == (422, "idempotency key reused")
    assert old.id in faults(problem)["[0].unique_key"]
    assert problem["detail"].endswith(": 1.")
    assert new.unique_key == "b"


async def test_in_a_list_all_tasks_have_keys_or_none(
    http: ClientSession, service: ScriptedService
) -> None:
    answer = await post(http, [BODY | {"unique_key": "a"}, BODY, OTHER])

    assert answer.status == 422
    assert faults(await answer.json()).keys() == {"[1].unique_key", "[2].unique_key"}
    assert await stored(service) == ()


async def test_under_a_header_a_key_in_a_list_can_only_be_the_one_that_it_gets(
    http: ClientSession, service: ScriptedService
) -> None:
    answer = await post(http, [BODY, BODY | {"unique_key": "k"}, BODY | {"unique_key": "k/2"}], "k")

    assert answer.status == 422
    assert faults(await answer.json()).keys() == {"[1].unique_key"}
    assert await stored(service) == ()
