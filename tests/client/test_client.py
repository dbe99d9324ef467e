"""Both clients against a real service."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from taskqueue import (
    AccessDenied,
    AsyncClient,
    CallRefused,
    Client,
    InvalidTask,
    KeyConflict,
    KeyTaken,
    NotRunning,
    ServiceUnavailable,
    TaskNotCompleted,
    TaskNotFound,
    WaitTimeout,
)
from taskqueue.client.views import Counts, DeadGroup, SettingInfo
from taskqueue.rules.sizes import ConsumersSize
from taskqueue.rules.tasks import Status
from taskqueue.rules.uniqueness import KeyState, OnRepeatName, Scope
from taskqueue.testing.process import ServiceProcess
from tests.client import shop
from tests.forked.service import ForkedService
from tests.system.services import until


async def in_thread(function: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(function)


async def test_a_task_is_enqueued_by_name_and_its_result_is_waited_for(
    service: ServiceProcess,
) -> None:
    def script() -> tuple[object, object, object]:
        with Client(service.url) as queue:
            task = queue.enqueue("add", left=2, right=3)
            info = task.wait(timeout_s=20)
            return task.result(timeout_s=20), info.status, info.data

    told = await in_thread(script)

    assert told == (5, Status.COMPLETED, {"left": 2, "right": 3})


async def test_the_asynchronous_client_has_the_same_words(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        task = await queue.enqueue("add", {"left": 2}, right=3)
        result = await task.result(timeout_s=20)
        found = [each.id async for each in queue.tasks(action="add")]

    assert (result, found) == (5, [task.id])


async def test_one_call_enqueues_many(service: ServiceProcess) -> None:
    def script() -> list[object]:
        with Client(service.url) as queue:
            tasks = [("add", {"left": n, "right": n}) for n in range(5)]
            prepared = shop.add.prepare(10, 10)
            return [task.result(20) for task in queue.enqueue_many([*tasks, prepared])]

    assert await in_thread(script) == [0, 2, 4, 6, 8, 20]


async def test_what_is_wrong_with_a_task_is_raised_by_field(service: ServiceProcess) -> None:
    def script() -> None:
        with Client(service.url) as queue:
            queue.enqueue("add", left="two")

    with pytest.raises(InvalidTask) as refused:
        await in_thread(script)

    assert {fault.field for fault in refused.value.faults} == {"data.left", "data.right"}


async def test_a_unique_key_gives_the_same_task_or_says_whose_it_is(
    service: ServiceProcess,
) -> None:
    def script() -> None:
        with Client(service.url) as queue:
            first = queue.enqueue("add", left=1, right=1, unique_key="sum")
            assert queue.enqueue("add", left=1, right=1, unique_key="sum").id == first.id
            with pytest.raises(KeyConflict) as refused:
                queue.enqueue("add", left=1, right=2, unique_key="sum")
            assert refused.value.keys == {"sum": first.id}

    await in_thread(script)


async def test_the_number_of_consumers_is_kept_over_a_restart_of_the_service(
    tmp_path: Path,
) -> None:
    flags = ("--app", "tests.client.shop:app", "--consumers", "2")
    async with ForkedService(tmp_path, *flags) as service, AsyncClient(service.url) as queue:
        set_now = await queue.set_consumers(3)
    async with ForkedService(tmp_path, *flags) as service, AsyncClient(service.url) as queue:
        kept = await queue.consumers()
        [served] = [each for each in await queue.queues() if each.queue == "default"]
        back = await queue.set_consumers(None)

    assert set_now == kept == ConsumersSize(count=3, configured=2, is_changed=True)
    assert served.consumers == 3
    assert back == ConsumersSize(count=2, configured=2, is_changed=False)


REPEATS: Sequence[tuple[OnRepeatName, float | None]] = (
    ("keep", None),
    ("postpone", 9_000.0),
    ("replace", None),
)


async def test_a_repeat_says_what_became_of_the_task_that_holds_the_key(
    service: ServiceProcess, tmp_path: Path
) -> None:
    def script(url: str, left: int) -> list[str | None]:
        with Client(url) as queue:
            first = queue.enqueue("add", left=left, right=1, unique_by=["left"], delay_s=3600)
            told = [
                queue.enqueue(
                    "add",
                    left=left,
                    right=2,
                    unique_by=["left"],
                    unique_scope="action",
                    on_repeat=on_repeat,
                    delay_s=7200,
                    latest_s=latest_s,
                )
                for on_repeat, latest_s in REPEATS
            ]
            with pytest.raises(KeyTaken) as refused:
                queue.enqueue("add", left=left, right=2, unique_by=["left"], on_repeat="reject")
            assert {task.id for task in told} == {first.id}
            assert refused.value.keys == {f"left={left}": first.id}
            info = first.info()
            assert (info.data, info.unique_key) == ({"left": left, "right": 2}, f"left={left}")
            assert info.key == KeyState(scope=Scope.ACTION, until="ended", is_free=False)
            assert [task.id for task in queue.tasks(unique_key=f"left={left}")] == [first.id]
            return [first.acceptance, *(task.acceptance for task in told)]

    over_http = await in_thread(lambda: script(service.url, 1))
    through_the_file = await in_thread(lambda: script(f"sqlite:///{tmp_path}/data/tasks.db", 2))

    assert over_http == through_the_file == [None, "kept", "postponed", "replaced"]


async def test_a_task_that_does_not_complete_has_no_result(service: ServiceProcess) -> None:
    def script() -> None:
        with Client(service.url) as queue:
            queue.enqueue("refuse").result(timeout_s=20)

    with pytest.raises(TaskNotCompleted, match="dead: not today"):
        await in_thread(script)


async def test_a_running_task_shows_its_progress_and_is_cancelled(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        task = await queue.enqueue("nap", seconds=60)
        await service.wait_for("attempt_started", task_id=task.id)
        with pytest.raises(WaitTimeout):
            await task.wait(timeout_s=0.05)
        progress = await until(task.progress, lambda value: value is not None)
        answer = await task.cancel("enough")
        info = await task.wait(timeout_s=20)

    assert (progress, answer) == ({"began": True}, "cancelling")
    assert (info.status, info.reason) == (Status.CANCELLED, "enough")


async def test_a_dead_task_is_redriven_and_an_ended_one_deleted(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        task = await queue.enqueue("refuse")
        await task.wait(timeout_s=20)
        redriven = await task.redrive()
        await task.wait(timeout_s=20)
        await task.delete()
        with pytest.raises(TaskNotFound):
            await task.info()
        with pytest.raises(TaskNotFound):
            await task.redrive()

    assert redriven == "queued"


async def test_a_queue_is_paused_and_resumed(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        await queue.pause("default")
        [paused] = await queue.queues()
        await queue.resume("default")
        [resumed] = await queue.queues()

    assert (paused.paused, resumed.paused) == (True, False)


async def test_an_action_enqueues_from_any_process(service: ServiceProcess) -> None:
    program = "from tests.client.shop import add; print(add.enqueue_sync(20, 22))"

    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={"TASKQUEUE_URL": service.url, "PATH": ""},
        stdout=subprocess.PIPE,
        cwd=".",
    )
    task_id = (await done.communicate())[0].decode().strip()

    assert await in_thread(Client(service.url).task(task_id).result) == 42


async def test_an_action_enqueues_from_a_loop_without_a_service(service: ServiceProcess) -> None:
    queue = shop.app.connect(service.url)
    try:
        task_id = await shop.add.enqueue(20, right=22)
    finally:
        shop.app.disconnect()

    assert await in_thread(queue.task(task_id).result) == 42


async def test_a_handler_in_a_thread_enqueues_to_its_own_service(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        followed = await (await queue.enqueue("follow", left=41)).result(timeout_s=20)
        result = await queue.task(followed).result(timeout_s=20)

    assert result == 42


def test_without_a_service_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKQUEUE_URL", raising=False)

    with pytest.raises(NotRunning, match=r"app\.connect\(url\) or set TASKQUEUE_URL"):
        shop.add.enqueue_sync(1, 2)


def test_a_service_that_is_not_there_is_named() -> None:
    with (
        Client("http://127.0.0.1:9", retry_s=0) as queue,
        pytest.raises(ServiceUnavailable, match=r"http://127\.0\.0\.1:9 is unavailable"),
    ):
        queue.enqueue("add", left=1, right=2)


async def test_both_clients_show_the_settings_and_their_sources(service: ServiceProcess) -> None:
    def script() -> Sequence[SettingInfo]:
        with Client(service.url) as queue:
            return queue.settings()

    told = await in_thread(script)
    async with AsyncClient(service.url) as queue:
        again = await queue.settings()

    [port] = [setting for setting in told if setting.name == "port"]
    assert (port.value, port.default, port.source, port.given_as) == (
        *("0", "8080", "flag", "--port"),
    )
    assert again == told


# --- access --------------------------------------------------------------------------------------


async def test_both_clients_show_who_has_changed_what(service: ServiceProcess) -> None:
    def script() -> list[tuple[str, str, int]]:
        with Client(service.url) as queue:
            queue.pause("default")
            queue.resume("default")
            [latest] = queue.audit(limit=1)
            [earlier] = queue.audit(limit=1, cursor=latest.id)
            return [(each.who, each.path, each.status) for each in (latest, earlier)]

    told = await in_thread(script)
    async with AsyncClient(service.url) as queue:
        [latest] = await queue.audit(limit=1)

    assert told == [
        ("local", "/queues/default/resume", 200),
        ("local", "/queues/default/pause", 200),
    ]
    assert (latest.path, latest.remote) == ("/queues/default/resume", "127.0.0.1")


async def test_a_token_decides_what_a_client_may_do(
    service: ServiceProcess, tokens: Callable[..., Any]
) -> None:
    worker, reader = await tokens("enqueue"), await tokens("read")

    async with AsyncClient(service.url, token=worker) as queue:
        result = await (await queue.enqueue("add", left=1, right=1)).result(timeout_s=20)
        with pytest.raises(AccessDenied, match="needs the role admin"):
            await queue.pause("default")
    async with AsyncClient(service.url, token=reader) as queue:
        with pytest.raises(AccessDenied, match="needs the role enqueue"):
            await queue.enqueue("add", left=1, right=1)
    async with AsyncClient(service.url, token="tq_unknown") as queue:
        with pytest.raises(AccessDenied, match="does not exist"):
            await queue.queues()

    assert result == 2


async def test_a_task_that_waits_is_edited_cloned_and_run_at_once(service: ServiceProcess) -> None:
    def script() -> tuple[object, ...]:
        with Client(service.url) as queue:
            task = queue.enqueue("add", left=1, right=1, delay_s=3600, unique_key="sum")
            edited = task.edit({"left": 20, "right": 1}, priority=3)
            clone = task.clone()
            status = task.run_now()
            return edited, clone.info(), status, task.result(20), task.info().edits

    edited, clone, status, result, edits = await in_thread(script)

    assert (edited.data, edited.priority, edited.status) == (
        {"left": 20, "right": 1},
        3,
        "scheduled",
    )
    assert (clone.data, clone.priority, clone.status) == (edited.data, 3, "scheduled")
    assert clone.run_at == edited.run_at
    assert clone.unique_key != edited.unique_key == "sum"
    assert (status, result) == ("queued", 21)
    assert [sorted(edit.before) for edit in edits] == [["payload", "priority"], ["run_at"]]


async def test_the_asynchronous_client_edits_clones_and_runs_at_once(
    service: ServiceProcess,
) -> None:
    async with AsyncClient(service.url) as queue:
        task = await queue.enqueue("add", left=1, right=1, delay_s=3600)
        await task.edit({"left": 2, "right": 2}, max_attempts=1)
        clone = await task.clone()
        statuses = [await each.run_now() for each in (task, clone)]
        results = [await each.result(20) for each in (task, clone)]

    assert (statuses, results) == (["queued", "queued"], [4, 4])


async def test_an_edit_that_does_not_fit_or_comes_too_late_says_so(
    service: ServiceProcess,
) -> None:
    def script() -> None:
        with Client(service.url) as queue:
            waiting = queue.enqueue("add", left=1, right=1, delay_s=3600)
            with pytest.raises(InvalidTask, match="left"):
                waiting.edit({"left": "one", "right": 1})
            with pytest.raises(InvalidTask, match="priority"):
                waiting.edit(priority=256)
            with pytest.raises(CallRefused, match="must have some of"):
                waiting.edit()
            ended = queue.enqueue("add", left=1, right=1)
            ended.wait(20)
            with pytest.raises(CallRefused, match="task has ended"):
                ended.edit(priority=1)

    await in_thread(script)


async def test_both_clients_filter_and_sort_tasks(service: ServiceProcess) -> None:
    def script() -> list[list[object]]:
        with Client(service.url) as queue:
            first, second = (queue.enqueue("add", left=n, right=77 - n) for n in (1, 2))
            queue.enqueue("add", left=0, right=0, delay_s=3600)
            second.wait(20), first.wait(20)
            found = queue.tasks(status=["completed", "dead"], text="7", sort="oldest")
            return [[task.id for task in found], [first.id, second.id]]

    found, expected = await in_thread(script)
    async with AsyncClient(service.url) as queue:
        scheduled = [task.status async for task in queue.tasks(status="scheduled", action="add")]
        none = [task async for task in queue.tasks(created_before=1.0)]

    assert found == expected
    assert (scheduled, none) == (["scheduled"], [])


async def test_both_clients_change_all_tasks_that_match(service: ServiceProcess) -> None:
    def script() -> tuple[int, int]:
        with Client(service.url) as queue:
            queue.enqueue_many([("add", {"left": n, "right": n}) for n in range(3)])
            for _ in range(2):
                queue.enqueue("nap", seconds=1, delay_s=3600)
            queue.enqueue("add", left=1, right=1, delay_s=3600)
            assert queue.run_tasks_now(action="add") == 1
            counted = queue.cancel_tasks(action="nap", dry_run=True)
            return counted, queue.cancel_tasks(action="nap", reason="enough")

    told = await in_thread(script)
    async with AsyncClient(service.url) as queue:
        deleted = await queue.delete_tasks(status="cancelled")
        redriven = await queue.redrive_tasks()

    assert (told, deleted, redriven) == ((2, 2), 2, 0)


async def test_both_clients_count_tasks_and_group_the_dead(service: ServiceProcess) -> None:
    def script() -> tuple[Counts, Sequence[DeadGroup]]:
        with Client(service.url) as queue:
            queue.enqueue("add", left=1, right=1).wait(timeout_s=20)
            queue.enqueue("nap", seconds=1, delay_s=3600)
            return queue.count_tasks(status="completed", action="add"), queue.dead_groups(limit=5)

    counts, groups = await in_thread(script)
    async with AsyncClient(service.url) as queue:
        every = await queue.count_tasks()
        of_error = await queue.count_tasks(error="gone", status=["dead"])
        none = await queue.dead_groups(action="add", queue="default")

    assert counts == Counts(tasks={Status.COMPLETED: 1})
    assert (every.tasks[Status.SCHEDULED], of_error.tasks) == (1, {Status.DEAD: 0})
    assert [*groups, *none] == []


@pytest.mark.parametrize("by", ["http", "file"])
async def test_what_a_task_has_logged_is_read_over_http_and_through_the_file(
    service: ServiceProcess, tmp_path: Path, by: str
) -> None:
    def script() -> list[tuple[int, str, list[str]]]:
        url = service.url if by == "http" else f"sqlite:///{tmp_path}/data/tasks.db"
        with Client(service.url) as over_http, Client(url) as queue:
            over_http.enqueue("recite", words=["one", "two"], unique_key="r").wait(timeout_s=20)
            [info] = queue.tasks(action="recite")
            logs = list(queue.task(info.id).logs())
            return [(e.attempt, e.outcome, [line.message for line in e.lines]) for e in logs]

    told = await in_thread(script)

    library = "a warning of a library logger='a.library'"
    assert told == [(1, "rejected", [library, "one", "two"])]


async def test_the_asynchronous_client_reads_logs_too(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        task = await queue.enqueue("recite", words=["one"])
        await task.wait(timeout_s=20)
        logs = [each async for each in task.logs()]
        with pytest.raises(TaskNotFound):
            _ = [each async for each in queue.task(str(UUID(int=1))).logs()]

    assert [line.message for each in logs for line in each.lines][-1] == "one"


async def test_a_task_that_failed_says_when_it_is_tried_again(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        task = await queue.enqueue("charge")
        await service.wait_for("task_requeued", task_id=task.id)
        info = await task.info()

    first, second, third = info.next_attempts
    assert [each.attempt for each in (first, second, third)] == [2, 3, 4]
    assert first.earliest_at == first.latest_at == info.run_at
    assert second.earliest_at - info.run_at == pytest.approx(120)
    assert second.latest_at - info.run_at == pytest.approx(180)
    assert third.earliest_at - info.run_at == pytest.approx(360)
    assert third.latest_at - info.run_at == pytest.approx(540)
