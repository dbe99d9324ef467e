"""`GET /tasks/{id}/logs`: what attempts have logged, page by page."""

from aiohttp import ClientSession

from taskqueue.attempt_log import AttemptLog, Lines, line_of
from taskqueue.http.tasks.queries import MAX_LOG_BYTES
from taskqueue.rules.logs import RunningLog
from taskqueue.rules.tasks import AttemptOutcome, Requeue, SettleBy
from tests.gateway.scripted import NOW, ScriptedService

AGAIN = Requeue(run_at=NOW, outcome=AttemptOutcome.FAILED, error="ValueError: no")


async def post(http: ClientSession) -> str:
    answer = await http.post("/tasks", json={"action": "send", "max_attempts": 1_000})
    task_id: str = (await answer.json())["id"]
    return task_id


async def fail(service: ScriptedService, *messages: str) -> None:
    """Make an attempt at the task that has logged this."""
    delivery = await service.start_next("mail")
    end = SettleBy(token=delivery.token, settlement=AGAIN, log=text_of(messages))
    await service.storage.settle([end], now=NOW)


def text_of(messages: tuple[str, ...]) -> str | None:
    log = AttemptLog()
    lines = (line_of(at=NOW, level="info", message=message) for message in messages)
    log.add(Lines(tuple(lines), 0))
    return log.text()


def running(attempt: int, *messages: str) -> RunningLog:
    return RunningLog(attempt=attempt, started_at=NOW, log=text_of(messages) or "")


async def test_the_lines_of_each_attempt_are_shown_the_latest_attempt_first(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await post(http)
    await fail(service, "é began", "<b>\n")
    await fail(service)
    await fail(service, "third")

    answer = await http.get(f"/tasks/{task_id}/logs")

    assert answer.status == 200
    third, first = (body := await answer.json())["attempts"]
    assert body["next"] is None
    assert third["attempt"] == 3
    assert first == {
        "attempt": 1,
        "outcome": "failed",
        "started_at": NOW,
        "ended_at": NOW,
        "lines": [
            {"at": NOW, "level": "info", "message": "é began"},
            {"at": NOW, "level": "info", "message": "<b>\n"},
        ],
        "dropped": 0,
    }


async def test_an_attempt_that_runs_is_shown_first_with_what_it_has_logged_so_far(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await post(http)
    await fail(service, "first")
    service.running_logs[task_id] = running(2, "so far")

    body = await (await http.get(f"/tasks/{task_id}/logs")).json()
    paged = await (await http.get(f"/tasks/{task_id}/logs?cursor=1")).json()

    second, first = body["attempts"]
    assert (first["attempt"], first["outcome"]) == (1, "failed")
    assert second == {
        "attempt": 2,
        "outcome": None,
        "started_at": NOW,
        "ended_at": None,
        "lines": [{"at": NOW, "level": "info", "message": "so far"}],
        "dropped": 0,
    }
    assert [each["attempt"] for each in paged["attempts"]] == [1]


async def test_an_attempt_that_has_just_ended_is_shown_once(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await post(http)
    await fail(service, "so far", "and the end")
    service.running_logs[task_id] = running(1, "so far")

    [only] = (await (await http.get(f"/tasks/{task_id}/logs")).json())["attempts"]

    assert (only["attempt"], only["outcome"], len(only["lines"])) == (1, "failed", 2)


async def test_a_page_is_bounded_in_bytes_and_its_cursor_goes_on(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await post(http)
    attempts = 30
    for _ in range(attempts):
        await fail(service, *["x" * 1_900] * 20)

    seen: list[int] = []
    sizes: list[int] = []
    query = ""
    while True:
        answer = await http.get(f"/tasks/{task_id}/logs{query}")
        sizes.append(len(await answer.read()))
        body = await answer.json()
        seen += [each["attempt"] for each in body["attempts"]]
        if body["next"] is None:
            break
        query = f"?cursor={body['next']}"

    assert seen == [*range(attempts, 0, -1)]
    assert len(sizes) == 2
    assert max(sizes) < MAX_LOG_BYTES + (32 << 10)


async def test_there_are_no_logs_of_a_task_that_does_not_exist(http: ClientSession) -> None:
    for task_id in ("0197a4c8-0000-7000-8000-000000000000", "unknown"):
        answer = await http.get(f"/tasks/{task_id}/logs")

        assert answer.status == 404
        assert (await answer.json())["error"] == "task not found"


async def test_a_cursor_that_is_none_is_refused(http: ClientSession) -> None:
    answer = await http.get(f"/tasks/{await post(http)}/logs?cursor=abc")

    assert answer.status == 422
    assert "cursor" in await answer.text()
