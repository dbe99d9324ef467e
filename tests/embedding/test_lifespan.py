"""The service beside a web application: in a child process, or on the application's loop."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from taskqueue import (
    QUEUE_KEY,
    App,
    AsyncClient,
    ConfigError,
    Context,
    Service,
    ServiceNotStarted,
    queue_context,
    queue_lifespan,
)
from taskqueue.embedding.messages import packed, unpacked
from taskqueue.embedding.service_file import ServiceFile
from taskqueue.rules.policy import RetryPolicy
from taskqueue.settings import Settings, checked
from taskqueue.testing.events import EventLog
from taskqueue.testing.process import children_of
from tests.embedding import jobs

pytestmark = pytest.mark.long

TIMEOUT_S = 30.0


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@asynccontextmanager
async def running(
    database: Path, app: App | str = jobs.app, **values: Any
) -> AsyncIterator[AsyncClient]:
    async with queue_lifespan(app, database=database, **values)(None) as state:
        yield state["queue"]


async def pid_of(queue: AsyncClient, task_id: str) -> int:
    """Return the process in which a `pid` task has run."""
    return int(await queue.task(task_id).result(TIMEOUT_S))


# --- a child process ----------------------------------------------------------------------------


async def test_tasks_run_in_a_child_process_that_ends_with_the_application(
    database: Path,
) -> None:
    async with running(database) as queue:
        ran_in = await pid_of(queue, await jobs.pid.enqueue())
        children = children_of(os.getpid())

    assert ran_in in children
    assert ran_in not in children_of(os.getpid())


async def test_a_service_that_dies_is_started_again_where_it_was(
    database: Path, events: EventLog
) -> None:
    async with running(database) as queue:
        first = await pid_of(queue, await jobs.pid.enqueue())
        url = events.select("embedded_service_started")[0]["url"]
        os.kill(first, signal.SIGKILL)
        second = await pid_of(queue, await jobs.pid.enqueue())

    assert second != first
    ended = events.select("embedded_service_ended")
    assert [event["reason"] for event in ended] == [f"process {first} ended with -9"]
    assert [event["url"] for event in events.select("embedded_service_started")] == [url, url]


@pytest.mark.parametrize("settings", [None, Settings()], ids=["single settings", "an object"])
async def test_a_child_that_listens_on_a_socket_is_reached_there_and_started_again(
    database: Path, events: EventLog, settings: Settings | None
) -> None:
    url = f"unix://{database.parent}/tq.sock"
    lifespan = queue_lifespan(jobs.app, settings, database=database, listen=url)
    async with lifespan(None) as state:
        queue = state["queue"]
        first = await pid_of(queue, await jobs.pid.enqueue())
        os.kill(first, signal.SIGKILL)
        second = await pid_of(queue, await jobs.pid.enqueue())

    assert second != first
    assert [event["url"] for event in events.select("embedded_service_started")] == [url, url]


async def test_a_service_on_the_loop_of_the_application_is_reached_through_its_socket(
    database: Path,
) -> None:
    url = f"unix://{database.parent}/tq.sock"
    async with running(database, listen=url, in_process=True) as queue:
        ran_in = await pid_of(queue, (await queue.enqueue("pid")).id)

    assert ran_in == os.getpid()


async def test_of_two_processes_the_one_with_a_port_takes_over_from_a_socket(
    database: Path, events: EventLog
) -> None:
    leader = queue_lifespan(jobs.app, database=database, listen=f"unix://{database}.sock")(None)
    await leader.__aenter__()
    async with running(database, jobs.other) as following:
        before = await pid_of(following, await jobs.other_pid.enqueue())
        await leader.__aexit__(None, None, None)
        await events.wait_for("embedded_service_started", nth=2, timeout_s=TIMEOUT_S)
        after = await pid_of(following, await jobs.other_pid.enqueue())

    assert before != after
    assert [
        event["url"].partition(":")[0] for event in events.select("embedded_service_started")
    ] == ["unix", "http"]


async def test_a_running_handler_may_finish_when_the_application_ends(
    database: Path, tmp_path: Path
) -> None:
    async def application() -> str:
        async with running(database):
            held = await jobs.hold.enqueue(folder=str(tmp_path))
            await exists(tmp_path / "began")
            return held

    ending = asyncio.create_task(application())
    await exists(tmp_path / "began")
    (tmp_path / "gate").touch()
    held = await ending
    async with Service(jobs.app, http=False, database=database, consumers=0) as service:
        task = await service.task(held)

    assert (task.status, task.attempt) == ("completed", 1)


async def test_the_service_is_killed_if_the_application_dies(database: Path) -> None:
    program = (
        "import asyncio, os\n"
        "from taskqueue import queue_lifespan\n"
        "async def main():\n"
        f"    lifespan = queue_lifespan('tests.embedding.jobs:app', database={str(database)!r})\n"
        "    async with lifespan(None) as state:\n"
        "        from tests.embedding.jobs import pid\n"
        "        task = await state['queue'].task(await pid.enqueue()).wait(30)\n"
        "        print(task.result, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    while not (line := await process.stdout.readline()).strip().isdigit():
        assert line
    child = int(line)
    process.kill()
    await process.wait()

    async with asyncio.timeout(TIMEOUT_S):
        while is_running(child):  # noqa: ASYNC110 - it is no child of this process
            await asyncio.sleep(0.01)


async def test_what_keeps_the_child_from_starting_is_raised_in_the_application(
    database: Path,
) -> None:
    holder = App()
    async with Service(holder, http=False, database=database, consumers=0):
        with pytest.raises(ServiceNotStarted, match="database: another taskqueue process holds"):
            async with running(database):
                pass

    assert children_of(os.getpid()) == []


async def test_handlers_that_the_child_would_not_have_are_named(database: Path) -> None:
    @jobs.other.task("late")
    async def late(ctx: Context) -> None: ...

    try:
        with pytest.raises(ServiceNotStarted, match="registers no handler of late; name a module"):
            async with running(database, jobs.other):
                pass
    finally:
        del jobs.other._handlers.by_action["late"]


async def test_an_app_that_no_process_can_import_is_refused_with_what_to_do(
    database: Path,
) -> None:
    with pytest.raises(ConfigError, match=r"is no global variable of a module.*in_process=True"):
        async with running(database, App()):
            pass


def test_settings_reach_the_child_as_they_are(database: Path) -> None:
    settings = checked(
        Settings(retry=RetryPolicy(initial_s=1.234567891)),
        database=database,
        synchronous="NORMAL",
        queues={"mail": 2},
        hosts=["queue.example"],
    )

    assert unpacked(packed(settings)) == settings


# --- several processes --------------------------------------------------------------------------


async def test_of_two_processes_one_runs_the_service_and_the_other_takes_over(
    database: Path, events: EventLog
) -> None:
    async with running(database, jobs.other) as follower_started_last:
        first = await pid_of(follower_started_last, await jobs.other_pid.enqueue())
    leader = queue_lifespan(jobs.app, database=database)(None)
    leading = (await leader.__aenter__())["queue"]
    async with running(database, jobs.other) as following:
        ran_in = [
            await pid_of(leading, await jobs.pid.enqueue()),
            await pid_of(following, await jobs.other_pid.enqueue()),
        ]
        services = len(events.select("embedded_service_started"))
        await leader.__aexit__(None, None, None)
        after = await pid_of(following, await jobs.other_pid.enqueue())

    assert first not in ran_in
    assert ran_in[0] == ran_in[1]
    assert services == 2
    assert after not in ran_in


async def test_a_port_that_is_taken_meanwhile_is_given_up(database: Path) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    service_file = ServiceFile.at(checked(None, database=database).database)
    service_file.announce(f"http://127.0.0.1:{port}")
    service_file.close()

    async with taken, running(database) as queue:
        ran = await queue.task(await jobs.pid.enqueue()).wait(TIMEOUT_S)

    assert ran.status == "completed"


# --- on the application's loop ------------------------------------------------------------------


async def test_the_service_runs_on_the_loop_of_the_application_when_asked(
    database: Path,
) -> None:
    async with running(database, App(), in_process=True):
        children = children_of(os.getpid())

    assert children != []  # the process that writes
    assert children_of(os.getpid()) == []


async def test_a_service_in_the_process_is_started_again_when_its_tree_gives_up(
    database: Path, events: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Service] = []
    monkeypatch.setattr(
        "taskqueue.embedding.lifespan.Service",
        lambda *a: started.append(Service(*a)) or started[-1],
    )
    async with running(database, in_process=True) as queue:
        root = started[0].system.address("root").whereis()
        assert root is not None
        root.kill()
        await events.wait_for("embedded_service_started", nth=2, timeout_s=TIMEOUT_S)
        ran_in = await pid_of(queue, await jobs.pid.enqueue())

    assert ran_in == os.getpid()


# --- aiohttp ------------------------------------------------------------------------------------


async def test_an_aiohttp_application_has_the_service_and_a_client(database: Path) -> None:
    async def order(request: web.Request) -> web.Response:
        task = await request.app[QUEUE_KEY].enqueue("pid")
        return web.json_response(await task.result(TIMEOUT_S))

    application = web.Application()
    application.router.add_post("/orders", order)
    application.cleanup_ctx.append(queue_context(jobs.app, database=database))
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with aiohttp.ClientSession() as http, http.post(f"{site.name}/orders") as answer:
            ran_in = await answer.json()
    finally:
        await runner.cleanup()

    assert ran_in not in {os.getpid(), *children_of(os.getpid())}


async def exists(path: Path) -> None:
    """Wait until a handler in another process has made a file."""
    async with asyncio.timeout(TIMEOUT_S):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
