# ruff: noqa: ASYNC240  a test may wait for its own disk
"""Both clients through the Unix socket of a real service."""

import asyncio
import doctest
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from taskqueue import AccessDenied, AsyncClient, Client, ServiceUnavailable
from taskqueue.client import sockets
from taskqueue.rules import sockets as urls
from taskqueue.testing.process import ServiceProcess
from tests.client import shop
from tests.client.conftest import APP
from tests.forked.service import ForkedService

WAIT_S = 20
NOBODY = 65_534


class OnASocket(ForkedService):
    """A service that is given no port."""

    flags: ClassVar[tuple[str, ...]] = ("--log-format", "json")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tq.sock"


@pytest.fixture
def url(path: Path) -> str:
    return f"unix://{path}"


@pytest.fixture
async def service(tmp_path: Path, url: str) -> AsyncIterator[ServiceProcess]:
    async with OnASocket(tmp_path, *APP, "--listen", url) as service:
        yield service


async def in_thread(function: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(function)


async def test_a_task_is_enqueued_and_waited_for_through_the_socket(
    service: ServiceProcess, url: str
) -> None:
    def script() -> list[object]:
        with Client(url) as queue:
            tasks = queue.enqueue_many([("add", {"left": n, "right": n}) for n in range(5)])
            first = queue.enqueue("add", left=20, right=22)
            return [task.result(WAIT_S) for task in (first, *tasks)]

    assert await in_thread(script) == [42, 0, 2, 4, 6, 8]
    assert service.url == url


async def test_the_asynchronous_client_has_the_same_words(
    service: ServiceProcess, url: str
) -> None:
    async with AsyncClient(url) as queue:
        tasks = await asyncio.gather(*(queue.enqueue("add", left=n, right=n) for n in range(20)))
        results = [await task.result(WAIT_S) for task in tasks]
        running = await queue.running()

    assert results == [2 * n for n in range(20)]
    assert running == []


async def test_the_events_of_a_task_come_through_the_socket(
    service: ServiceProcess, url: str
) -> None:
    def script() -> str:
        with Client(url) as queue:
            return [event.name for event in queue.enqueue("add", left=1, right=1).events()][-1]

    async with AsyncClient(url) as queue:
        task = await queue.enqueue("add", left=2, right=2)
        names = [event.name async for event in task.events()]

    assert (await in_thread(script), names[-1]) == ("task_completed", "task_completed")


async def test_a_connection_is_kept_and_replaced_when_the_service_was(
    service: ServiceProcess, tmp_path: Path, url: str
) -> None:
    async with AsyncClient(url) as queue:
        first = await queue.enqueue("add", left=1, right=1)
        await first.wait(WAIT_S)
        service.kill()
        await service.wait()
        async with OnASocket(tmp_path, *APP, "--listen", url):
            second = await queue.enqueue("add", left=2, right=2)

            assert await second.result(WAIT_S) == 4

            def script() -> object:
                with Client(url) as threads:
                    return threads.task(first.id).result(WAIT_S)

            assert await in_thread(script) == 2


async def test_an_action_enqueues_through_the_socket_that_the_environment_names(
    service: ServiceProcess, url: str
) -> None:
    program = "from tests.client.shop import add; print(add.enqueue_sync(20, 22))"
    environ = {**os.environ, "TASKQUEUE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], env=environ, check=True, stdout=subprocess.PIPE
        )
        return done.stdout.decode().strip()

    async with AsyncClient(url) as queue:
        assert await queue.task(await in_thread(run)).result(WAIT_S) == 42


async def test_an_app_is_connected_to_the_socket(service: ServiceProcess, url: str) -> None:
    shop.app.connect(url)
    try:
        task_id = await shop.add.enqueue(1, 2)
    finally:
        shop.app.disconnect()

    async with AsyncClient(url) as queue:
        assert await queue.task(task_id).result(WAIT_S) == 3


async def test_a_token_is_asked_for_through_the_socket_as_well(
    service: ServiceProcess, url: str, tokens: Callable[[str], Awaitable[str]]
) -> None:
    text = await tokens("read")

    async with AsyncClient(url, token=text) as reader:
        assert len(await reader.queues()) == 1
        with pytest.raises(AccessDenied):
            await reader.enqueue("add", left=1, right=1)


# --- no connection --------------------------------------------------------------------------------


async def failures_of(url: str) -> set[str]:
    """Return what both clients say of a service that they cannot reach."""

    def script() -> str:
        with Client(url, retry_s=0) as queue, pytest.raises(ServiceUnavailable) as refused:
            queue.queues()
        return str(refused.value)

    async with AsyncClient(url, retry_s=0) as queue:
        with pytest.raises(ServiceUnavailable) as refused:
            await queue.queues()
    return {str(refused.value), await in_thread(script)}


async def test_a_socket_that_is_not_there_is_named_with_the_flag_that_makes_it(
    url: str, path: Path
) -> None:
    assert await failures_of(url) == {
        f"{url} is unavailable: there is no {path}; start the service with --listen {url}"
    }


async def test_a_port_on_which_nothing_listens_is_named_in_plain_words() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        found = await failures_of(url)

    assert found == {f"{url} is unavailable: cannot connect: Connection refused"}


async def test_a_host_that_has_no_address_is_named_in_plain_words() -> None:
    [reason] = await failures_of("http://none.invalid:8080")

    assert reason.startswith("http://none.invalid:8080 is unavailable: cannot connect: ")
    assert "Connection(" not in reason


async def test_a_socket_that_a_killed_service_has_left_is_told_from_that(
    url: str, path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    assert await failures_of(url) == {
        f"{url} is unavailable: no service listens on {path} any more; start it again"
    }


async def test_a_socket_of_another_user_is_refused_with_what_to_set(url: str, path: Path) -> None:
    await failures_of(url)  # all is imported then
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(path))
        theirs.listen()
        path.chmod(0)

        with without_privileges():
            found = await failures_of(url)

    why = f"this user may not connect to {path}; start the service with --socket-mode 0660 and"
    assert found == {
        f"{url} is unavailable: {why} be in its group, and have the right to search the folder"
    }


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be another user than root, whom no mode stops."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_client_may_be_redirected_from_a_port_to_a_socket_and_back(
    service: ServiceProcess, tmp_path: Path, url: str
) -> None:
    (other := tmp_path / "other").mkdir()
    async with ForkedService(other, *APP) as on_a_port, AsyncClient(url) as queue:
        on_socket = await queue.enqueue("add", left=1, right=1)
        queue.redirect(on_a_port.url)
        on_port = await queue.enqueue("add", left=2, right=2)
        results = [await on_port.result(WAIT_S)]
        queue.redirect(url)
        results.append(await on_socket.result(WAIT_S))

    assert results == [4, 2]


@pytest.mark.parametrize("module", [sockets, urls])
def test_the_examples_in_the_docstrings_are_true(module: Any) -> None:
    result = doctest.testmod(module)

    assert result.attempted > 0
    assert result.failed == 0
