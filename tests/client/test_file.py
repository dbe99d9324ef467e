"""Both clients through the file of a service, without HTTP."""

import asyncio
import os
import pwd
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from taskqueue import (
    AsyncClient,
    CallRefused,
    Client,
    ConfigError,
    InvalidTask,
    KeyConflict,
    ServiceUnavailable,
    TaskNotFound,
    WaitTimeout,
)
from taskqueue.errors import SchemaMismatch, StorageCorrupt
from taskqueue.rules.tasks import Status
from taskqueue.testing.process import ServiceProcess
from tests.client import shop

ROOT = Path(__file__).parent.parent.parent


async def in_thread(function: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(function)


def url_of(service: ServiceProcess, folder: Path) -> str:
    [path] = folder.rglob("*.db")
    return f"sqlite:///{path}"


# --- beside a service -----------------------------------------------------------------------------


async def test_a_task_is_enqueued_through_the_file_and_its_result_is_read_there(
    service: ServiceProcess, tmp_path: Path
) -> None:
    def script() -> tuple[object, object, object]:
        with Client(url_of(service, tmp_path)) as queue:
            task = queue.enqueue("add", left=2, right=3)
            info = task.wait(timeout_s=20)
            return task.result(timeout_s=20), info.status, info.data

    told = await in_thread(script)

    assert told == (5, Status.COMPLETED, {"left": 2, "right": 3})


async def test_the_asynchronous_client_has_the_same_words_for_a_file(
    service: ServiceProcess, tmp_path: Path
) -> None:
    async with AsyncClient(url_of(service, tmp_path)) as queue:
        tasks = await queue.enqueue_many([("add", {"left": n, "right": n}) for n in range(3)])
        results = [await task.result(timeout_s=20) for task in tasks]
        found = [each.id async for each in queue.tasks(action="add", status="completed")]

    assert results == [0, 2, 4]
    assert found == [task.id for task in reversed(tasks)]


async def test_an_app_enqueues_through_the_file_with_the_options_of_its_handlers(
    service: ServiceProcess, tmp_path: Path
) -> None:
    def script() -> object:
        client = shop.app.connect(url_of(service, tmp_path))
        try:
            return client.task(shop.refuse.enqueue_sync()).wait(timeout_s=20).max_attempts
        finally:
            shop.app.disconnect()

    assert await in_thread(script) == 1


async def test_both_ways_to_the_service_share_unique_keys(
    service: ServiceProcess, tmp_path: Path
) -> None:
    def script() -> tuple[str, str]:
        with Client(service.url) as http, Client(url_of(service, tmp_path)) as file:
            first = http.enqueue("add", left=1, right=1, unique_key="sum", delay_s=5)
            again = file.enqueue("add", left=1, right=1, unique_key="sum", delay_s=5)
            with pytest.raises(KeyConflict) as refused:
                file.enqueue("add", left=1, right=2, unique_key="sum", delay_s=5)
            assert refused.value.keys == {"sum": first.id}
            return first.id, again.id

    first, again = await in_thread(script)

    assert first == again


async def test_a_handler_that_runs_shows_its_progress_and_is_cancelled_through_the_file(
    service: ServiceProcess, tmp_path: Path
) -> None:
    async with AsyncClient(url_of(service, tmp_path)) as queue:
        task = await queue.enqueue("nap", seconds=60)
        await service.wait_for("attempt_started", task_id=task.id)
        with pytest.raises(WaitTimeout):
            await task.wait(timeout_s=0.05)
        answer = await task.cancel("enough")
        info = await task.wait(timeout_s=20)

    assert answer == "cancelling"
    assert (info.status, info.reason, info.progress) == (
        Status.CANCELLED,
        "enough",
        {"began": True},
    )


async def test_arguments_are_checked_when_the_task_runs(
    service: ServiceProcess, tmp_path: Path
) -> None:
    def script() -> object:
        with Client(url_of(service, tmp_path)) as queue:
            return queue.enqueue("add", left="two").wait(timeout_s=20)

    task = await in_thread(script)

    assert task.status is Status.DEAD
    assert "data.left" in task.reason


# --- without a service ----------------------------------------------------------------------------


def test_without_a_service_tasks_wait_in_the_file(queue: Client) -> None:
    ready = queue.enqueue("add", left=1, right=1)
    later = queue.enqueue("add", left=1, right=1, delay_s=60, queue="mail", priority=3)

    assert (ready.status(), later.status()) == (Status.QUEUED, Status.SCHEDULED)
    assert (later.info().queue, later.info().priority) == ("mail", 3)
    assert [each.id for each in queue.tasks()] == [later.id, ready.id]
    assert [each.id for each in queue.tasks(queue="mail")] == [later.id]


def test_all_tasks_are_listed_over_pages(queue: Client) -> None:
    tasks = queue.enqueue_many([("add", {"left": n}) for n in range(250)])

    assert [each.id for each in queue.tasks()] == [task.id for task in reversed(tasks)]


def test_a_task_that_waits_is_cancelled_then_deleted(queue: Client) -> None:
    task = queue.enqueue("add", left=1, right=1)

    with pytest.raises(CallRefused, match="task has not ended"):
        task.delete()
    assert task.cancel() == "cancelled"
    with pytest.raises(CallRefused, match=r"task has ended.*It is cancelled"):
        task.cancel()
    with pytest.raises(CallRefused, match="task is not dead"):
        task.redrive()
    task.delete()
    with pytest.raises(TaskNotFound):
        task.info()
    with pytest.raises(TaskNotFound):
        task.cancel()


def test_what_changes_through_the_file_is_in_its_audit_trail(queue: Client, path: Path) -> None:
    task = queue.enqueue("add", left=1, right=1)
    task.cancel()
    with pytest.raises(CallRefused, match="task has ended"):
        task.cancel()
    with pytest.raises(CallRefused, match="task is not dead"):
        task.redrive()
    task.delete()
    queue.pause("a b")
    queue.resume("a b")

    with closing(sqlite3.connect(path)) as db:
        trail = db.execute(
            "SELECT role, method, path, status, who, remote FROM audited_changes ORDER BY id"
        ).fetchall()
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert trail == [
        (*change, user, "file")
        for change in (
            ("enqueue", "POST", f"/tasks/{task.id}/cancel", 200),
            ("admin", "DELETE", f"/tasks/{task.id}", 204),
            ("admin", "POST", "/queues/a%20b/pause", 200),
            ("admin", "POST", "/queues/a%20b/resume", 200),
        )
    ]


def test_what_cannot_be_a_task_is_refused_by_field_and_nothing_is_written(queue: Client) -> None:
    with pytest.raises(InvalidTask, match="priority"):
        queue.enqueue("add", priority=1000)
    with pytest.raises(InvalidTask, match="action"):
        queue.enqueue("")
    with pytest.raises(InvalidTask, match=r"data\.left"):
        queue.enqueue_many([("add", {"left": 1}), ("add", {"left": object()})])

    assert list(queue.tasks()) == []


def test_a_status_that_does_not_exist_is_refused(queue: Client) -> None:
    with pytest.raises(CallRefused, match="must be one of queued"):
        list(queue.tasks(status="finished"))


def test_what_only_the_service_can_do_is_refused(queue: Client) -> None:
    task, limit = queue.enqueue("add", left=1, right=1), queue.limit("smtp")
    calls: list[Callable[[], object]] = [
        *(queue.queues, queue.running, queue.audit, queue.settings, queue.limits),
        *(queue.consumers, lambda: queue.set_consumers(2), queue.queue("mail").consumers),
        *(lambda: queue.queue("mail").resize(slots=2), lambda: next(queue.queue("mail").flows())),
        *(queue.activity, queue.count_tasks, queue.dead_groups, task.stack),
        *(limit.info, limit.reset, lambda: limit.change(running=1), lambda: limit.take(1)),
        *(queue.schedules.list, lambda: queue.schedules.get("x"), lambda: queue.schedules.run("x")),
        *(lambda: task.edit(priority=1), task.run_now, task.clone),
        *(lambda: next(iter(task.events())), lambda: next(iter(queue.events()))),
        *(lambda: queue.cancel_tasks(action="add"), lambda: queue.delete_tasks(action="add")),
        *(lambda: queue.redrive_tasks(action="add"), lambda: queue.run_tasks_now(action="add")),
    ]

    for call in calls:
        with pytest.raises(CallRefused, match="over HTTP"):
            call()

    assert task.status() == "queued"


def test_a_queue_is_paused_in_the_file_and_its_consumers_are_not_known_there(
    queue: Client, path: Path
) -> None:
    queue.pause("mail")

    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT queue FROM paused").fetchall() == [("mail",)]
    queue.resume("mail")
    for call in (queue.queues, queue.running):
        with pytest.raises(CallRefused, match="over HTTP"):
            call()


def test_threads_share_a_client_of_a_file(queue: Client) -> None:
    found: list[str] = []

    def enqueue() -> None:
        found.extend(queue.enqueue("add", left=n, right=n).id for n in range(20))

    threads = [threading.Thread(target=enqueue) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(each.id for each in queue.tasks()) == sorted(found)
    assert len(found) == 100


def test_a_fork_opens_the_file_for_itself(queue: Client) -> None:
    queue.enqueue("add", left=0, right=0)

    child = os.fork()
    if not child:
        try:
            queue.enqueue("add", left=1, right=1)
        finally:
            os._exit(0)
    _, code = os.waitpid(child, 0)
    queue.enqueue("add", left=2, right=2)

    assert code == 0
    assert [each.data["left"] for each in queue.tasks()] == [2, 1, 0]


def test_a_closed_client_opens_the_file_again(queue: Client) -> None:
    task = queue.enqueue("add", left=1, right=1)

    queue.close()
    queue.close()

    assert task.status() is Status.QUEUED


# --- what is wrong with a file --------------------------------------------------------------------


def test_a_file_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with Client(f"sqlite:///{tmp_path}/none.db", retry_s=0) as queue:
        with pytest.raises(ServiceUnavailable, match=r"none\.db.*No such file"):
            queue.enqueue("add")
        with pytest.raises(ServiceUnavailable, match=r"none\.db.*No such file"):
            queue.task("1").info()

    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_release_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")

    with Client(f"sqlite:///{path}", retry_s=0) as queue:
        with pytest.raises(SchemaMismatch, match="999"):
            queue.enqueue("add")
        with pytest.raises(SchemaMismatch, match="999"):
            list(queue.tasks())


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database at all" * 100)

    with (
        Client(f"sqlite:///{tmp_path}/notes.txt", retry_s=0) as queue,
        pytest.raises(StorageCorrupt, match="not a database"),
    ):
        queue.enqueue("add")


def test_a_file_that_another_process_keeps_locked_is_unavailable_after_the_patience(
    path: Path,
) -> None:
    with closing(sqlite3.connect(path)) as other, Client(f"sqlite:///{path}", retry_s=0.1) as queue:
        queue.enqueue("add")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceUnavailable, match="locked"):
            queue.enqueue("add")
        other.execute("ROLLBACK")

        queue.enqueue("add")

        assert len(list(queue.tasks())) == 2


def test_a_commit_of_another_process_is_waited_for(path: Path) -> None:
    with (
        closing(sqlite3.connect(path, check_same_thread=False)) as other,
        Client(f"sqlite:///{path}", retry_s=20) as queue,
    ):
        queue.task("1")
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, lambda: other.execute("ROLLBACK"))
        release.start()

        task = queue.enqueue("add")
        release.join()

        assert task.status() is Status.QUEUED


def test_a_file_that_was_replaced_is_noticed_and_the_new_one_is_used(
    queue: Client, path: Path
) -> None:
    queue.enqueue("add")
    for end in ("-wal", "-shm", ""):
        path.with_name(f"{path.name}{end}").rename(path.with_name(f"old{end}"))

    with pytest.raises(ServiceUnavailable):
        queue.enqueue("add")
    with pytest.raises(ServiceUnavailable, match="No such file"):
        queue.enqueue("add")


@pytest.mark.parametrize("url", ["sqlite://tasks.db", "sqlite:///", "sqlite:///:memory:"])
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="url"):
        Client(url)


def test_a_file_takes_no_token() -> None:
    with pytest.raises(ConfigError, match="token: must be left out for a file"):
        Client("sqlite:///tasks.db", token="secret")


# --- killed ---------------------------------------------------------------------------------------

KILLED = """
import sys
from taskqueue import Client

with Client(sys.argv[1]) as queue:
    print("ready", flush=True)
    while True:
        queue.enqueue_many([("add", {"left": n, "right": n}) for n in range(500)])
        print("batch", flush=True)
"""


def test_a_client_that_is_killed_has_enqueued_all_of_a_batch_or_nothing(
    queue: Client, path: Path
) -> None:
    told = 0
    for _ in range(5):
        program = subprocess.Popen(
            [sys.executable, "-c", KILLED, f"sqlite:///{path}"], stdout=subprocess.PIPE, cwd=ROOT
        )
        with program:
            assert program.stdout is not None
            assert program.stdout.readline() == b"ready\n"
            told += program.stdout.readline() == b"batch\n"
            program.send_signal(signal.SIGKILL)
            told += program.stdout.read().count(b"batch")

    tasks = sum(1 for _ in queue.tasks())

    assert tasks % 500 == 0
    assert tasks >= 500 * told
