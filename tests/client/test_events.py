"""The events of a service and of one task, as both clients read them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from taskqueue import (
    AccessDenied,
    AsyncClient,
    CallRefused,
    Client,
    ServiceEvent,
    ServiceUnavailable,
    TaskNotFound,
)
from taskqueue.storage.databases import tokens_of
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.testing.process import ServiceProcess
from tests.client.conftest import APP
from tests.forked.service import ForkedService

LIMIT_S = 20.0  # what a test waits for at most, for anything
UNKNOWN = "0197a4c8-0000-7000-8000-000000000000"

LIFE = ["attempt_started", "task_progress", "task_completed"]


class Reader:
    """Reads a stream of events beside the test."""

    def __init__(self, events: AsyncIterator[ServiceEvent]) -> None:
        self._received: asyncio.Queue[ServiceEvent] = asyncio.Queue()
        self.reading = asyncio.create_task(self._read(events))

    async def _read(self, events: AsyncIterator[ServiceEvent]) -> None:
        async for event in events:
            self._received.put_nowait(event)

    async def opened(self, queue: AsyncClient) -> None:
        """Wait until the stream is open: until something that happens is received."""
        async with asyncio.timeout(LIMIT_S):
            while self._received.empty():
                await queue.resume("default")
                await asyncio.wait({self.reading}, timeout=0.05)
        while not self._received.empty():
            self._received.get_nowait()

    async def next(self, *names: str) -> ServiceEvent:
        """Return the next event of one of these names."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                event = await self._received.get()
                if event.name in names:
                    return event

    async def raised(self) -> BaseException | None:
        async with asyncio.timeout(LIMIT_S):
            await asyncio.wait({self.reading})
        return self.reading.exception()

    def stop(self) -> None:
        self.reading.cancel()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    """A service that logs each request, so that a test can wait until a client follows a task."""
    async with ForkedService(tmp_path, *APP, "--log-level", "debug") as service:
        yield service


async def looked_at(service: ServiceProcess, task_id: str) -> None:
    """Wait until a client has opened a stream for a task, after which it looks at the task."""
    await service.wait_for("http_request", timeout_s=LIMIT_S, path=f"/tasks/{task_id}")


async def test_the_events_of_a_task_end_with_its_end(service: ServiceProcess) -> None:
    def script(task_id: str) -> list[ServiceEvent]:
        with Client(service.url) as queue:
            return list(queue.task(task_id).events())

    async with AsyncClient(service.url) as queue, asyncio.timeout(LIMIT_S):
        await queue.pause("default")
        task = await queue.enqueue("nap", seconds=0.5)
        following = asyncio.create_task(asyncio.to_thread(script, task.id))
        await looked_at(service, task.id)
        await queue.resume("default")
        life = await following

    assert [event.name for event in life] == LIFE
    assert {(event.action, event.queue, event.attempt) for event in life} == {("nap", "default", 1)}
    assert life[1].data["progress"] == {"began": True}


async def test_the_asynchronous_client_reads_the_same(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue, asyncio.timeout(LIMIT_S):
        await queue.pause("default")
        task = await queue.enqueue("nap", seconds=0.5)
        reader = Reader(task.events())
        await looked_at(service, task.id)
        await queue.resume("default")
        life = [(await reader.next(name)).name for name in LIFE]
        raised = await reader.raised()

    assert (life, raised) == (LIFE, None)


@pytest.mark.parametrize(
    ("action", "end"), [("add", "task_completed"), ("refuse", "task_dead_lettered")]
)
async def test_of_a_task_that_has_ended_the_end_is_shown(
    service: ServiceProcess, action: str, end: str
) -> None:
    arguments = {"left": 1, "right": 1} if action == "add" else {}
    async with AsyncClient(service.url) as queue, asyncio.timeout(LIMIT_S):
        task = await queue.enqueue(action, arguments)
        info = await task.wait()

        life = [event async for event in task.events()]

    assert [(event.name, event.at) for event in life] == [(end, info.processed_at)]
    assert life[0].data.get("reason") == info.reason


async def test_a_task_that_ends_at_once_shows_its_end_in_any_case(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue, asyncio.timeout(LIMIT_S):
        for number in range(20):
            task = await queue.enqueue("add", left=number, right=number)
            life = [event.name async for event in task.events()]

            assert life.count("task_completed") == 1
            assert life[-1] == "task_completed"


async def test_a_task_that_does_not_exist_has_no_events(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        with pytest.raises(TaskNotFound):
            async for _ in queue.task(UNKNOWN).events():
                pass
        with pytest.raises(CallRefused) as refused:
            async for _ in queue.events(event="task_finished"):
                pass

    assert [fault.field for fault in refused.value.faults] == ["event"]


async def test_the_events_of_the_service_are_filtered(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        reader = Reader(queue.events(queue=["default"], event=["queue_resumed", "task_completed"]))
        await reader.opened(queue)
        task = await queue.enqueue("add", left=1, right=1)

        event = await reader.next("task_completed", "attempt_started", "task_enqueued")
        reader.stop()

    assert (event.name, event.task_id) == ("task_completed", task.id)


async def test_a_restart_of_the_gateway_is_not_noticed(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        reader = Reader(queue.events())
        await reader.opened(queue)
        seen = list[str]()
        for nth in range(1, 4):
            task = await queue.enqueue("nap", seconds=0.01)
            await kill_gateway(service)
            await service.wait_for("gateway_listening", nth=nth + 1)

            end = await reader.next("task_completed", "gap")
            seen.append(end.task_id or end.name)
            assert seen[-1] == task.id
        reader.stop()


async def kill_gateway(service: ServiceProcess) -> None:
    host, _, port = service.url.removeprefix("http://").partition(":")
    body = b'{"path": "root/gateway"}'
    head = (
        b"POST /supervision/kill HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    )
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return cast(int, free.getsockname()[1])


async def test_a_service_that_was_killed_is_followed_again_after_a_gap(
    tmp_path: Path, port: int
) -> None:
    arguments = (*APP, "--port", str(port))
    async with AsyncClient(f"http://127.0.0.1:{port}") as queue:
        async with ForkedService(tmp_path, *arguments) as service:
            reader = Reader(queue.events())
            await reader.opened(queue)
            service.kill()
            await service.wait()
        async with ForkedService(tmp_path, *arguments):
            gap = await reader.next("gap")
            task = await queue.enqueue("add", left=1, right=1)
            end = await reader.next("task_completed")
            reader.stop()

    assert gap.is_gap
    assert end.task_id == task.id


async def test_a_task_that_ends_while_the_service_is_restarted_shows_its_end(
    tmp_path: Path, port: int
) -> None:
    arguments = (*APP, "--port", str(port))
    async with AsyncClient(f"http://127.0.0.1:{port}") as queue:
        async with ForkedService(tmp_path, *arguments) as service:
            task = await queue.enqueue("nap", seconds=60)
            reader = Reader(task.events())
            await service.wait_for("attempt_started", task_id=task.id)
            service.kill()
            await service.wait()
        async with ForkedService(tmp_path, *arguments):
            await task.cancel("enough")

            end = await reader.next("task_cancelled")
            await reader.raised()

    assert end.task_id == task.id


async def test_a_service_that_stays_away_is_given_up_on(service: ServiceProcess) -> None:
    async with AsyncClient(service.url, retry_s=0.5) as queue:
        reader = Reader(queue.events())
        await reader.opened(queue)
        await service.stop()

        raised = await reader.raised()

    assert isinstance(raised, ServiceUnavailable)


async def test_a_client_whose_token_is_revoked_may_read_no_more(
    service: ServiceProcess, tokens: Callable[[str], Awaitable[str]], tmp_path: Path
) -> None:
    admin, text = await tokens("admin"), await tokens("read")
    async with (
        AsyncClient(service.url, token=admin) as queue,
        AsyncClient(service.url, token=text) as readers,
    ):
        reader = Reader(readers.events())
        await reader.opened(queue)
        async with tokens_of(SQLiteDatabase(path=tmp_path / "data/tasks.db"), make=False) as kept:
            await kept.revoke_token("read")

        raised = await reader.raised()

    assert isinstance(raised, AccessDenied)


async def test_a_loop_that_is_left_leaves_no_connection(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue, asyncio.timeout(LIMIT_S):
        for _ in range(5):
            task = await queue.enqueue("nap", seconds=0.05, delay_s=0.2)
            async for _ in task.events():
                break


def test_events_do_not_come_through_a_file(tmp_path: Path) -> None:
    with Client(f"sqlite:///{tmp_path}/tasks.db") as queue:
        with pytest.raises(CallRefused, match="needs the service"):
            queue.events()
        with pytest.raises(CallRefused, match="needs the service"):
            queue.task(UNKNOWN).events()
