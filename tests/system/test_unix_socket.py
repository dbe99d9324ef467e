# ruff: noqa: ASYNC240  a test may wait for its own disk
"""The service behind a Unix socket."""

import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess
from tests.forked.service import ForkedService
from tests.system.services import TIMEOUT_S, Services

pytestmark = pytest.mark.forked


class OnASocket(ForkedService):
    """A service that is given no port."""

    flags: ClassVar[tuple[str, ...]] = ("--log-format", "json")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "taskqueue.sock"


@pytest.fixture
def start(services: Services, path: Path) -> Callable[..., Awaitable[ServiceProcess]]:
    """Start a service that listens at `path`."""

    async def on_the_socket(*arguments: str) -> ServiceProcess:
        return await services.start("--listen", f"unix://{path}", *arguments, kind=OnASocket)

    return on_the_socket


async def ask(path: Path, method: str, target: str, **given: object) -> tuple[int, object]:
    """Make a request through the socket."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    connector = aiohttp.UnixConnector(str(path))
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.request(method, f"http://localhost{target}", **given) as answer,  # type: ignore[arg-type]  # by the test
    ):
        return answer.status, await answer.json()


async def test_the_peer_of_the_socket_may_do_everything(
    start: Callable[..., Awaitable[ServiceProcess]], path: Path
) -> None:
    service = await start()

    queued, _ = await ask(path, "POST", "/tasks", json={"action": "uppercase"})
    paused, _ = await ask(path, "POST", "/queues/default/pause", json={})
    forwarded, _ = await ask(path, "GET", "/tasks", headers={"Via": "1.1 proxy"})
    _, audit = await ask(path, "GET", "/audit")

    assert (queued, paused, forwarded) == (202, 200, 403)
    assert {change["remote"] for change in audit["changes"]} == {"unix"}  # type: ignore[index]
    assert service.url == f"unix://{path}"


@pytest.mark.parametrize(
    ("arguments", "mode"), [((), 0o600), (("--socket-mode", "0660"), 0o660)], ids=["0600", "0660"]
)
async def test_the_file_has_its_mode_and_is_gone_at_the_end(
    start: Callable[..., Awaitable[ServiceProcess]],
    path: Path,
    arguments: tuple[str, ...],
    mode: int,
) -> None:
    service = await start(*arguments)
    found = path.stat().st_mode

    assert await service.stop() == 0

    assert stat.S_ISSOCK(found)
    assert stat.S_IMODE(found) == mode
    assert not path.exists()


async def test_the_file_that_a_killed_service_has_left_is_replaced(
    start: Callable[..., Awaitable[ServiceProcess]], path: Path
) -> None:
    first = await start()
    first.kill()
    await first.wait()
    left = path.exists()

    second = await start()

    assert left
    assert (await ask(path, "GET", "/health"))[0] == 200
    assert await second.stop() == 0


async def test_a_socket_that_another_process_listens_on_is_left_alone(
    services: Services, path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen()

        service = await services.launch("--listen", f"unix://{path}", kind=OnASocket)

        assert await service.wait() == 1
        assert await service.complaint() == (
            f"taskqueue: listen: another process listens on {path}; "
            "stop it, or choose another path\n"
        )
        assert path.exists()


async def test_a_file_that_is_no_socket_is_left_alone(services: Services, path: Path) -> None:
    path.write_text("precious")

    service = await services.launch("--listen", f"unix://{path}", kind=OnASocket)

    assert await service.wait() == 1
    refusal = f"{path} exists and is not a socket; remove it, or choose another path"
    assert await service.complaint() == f"taskqueue: listen: {refusal}\n"
    assert path.read_text() == "precious"


async def test_a_socket_that_has_taken_the_place_of_ours_is_not_removed(
    start: Callable[..., Awaitable[ServiceProcess]], path: Path
) -> None:
    service = await start()
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))

        assert await service.stop() == 0

        assert path.exists()


async def test_a_folder_that_is_not_there_is_named(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "nowhere/taskqueue.sock"

    service = await services.launch("--listen", f"unix://{path}", kind=OnASocket)

    assert await service.wait() == 1
    assert await service.complaint() == (
        f"taskqueue: listen: cannot listen on {path}: No such file or directory\n"
    )


async def test_a_gateway_that_was_killed_comes_back_on_the_same_socket(
    start: Callable[..., Awaitable[ServiceProcess]], services: Services, path: Path
) -> None:
    services.expect("actor_crashed")
    service = await start()

    killed, _ = await ask(path, "POST", "/supervision/kill", json={"path": "root/gateway"})
    await service.wait_for("gateway_listening", nth=2, timeout_s=TIMEOUT_S)
    answered, _ = await ask(path, "GET", "/health")

    assert (killed, answered) == (202, 200)


@pytest.mark.parametrize("flag", [("--port", "9000"), ("--host", "::1")])
async def test_a_socket_and_a_port_exclude_each_other(
    services: Services, path: Path, flag: tuple[str, str]
) -> None:
    service = await services.launch("--listen", f"unix://{path}", *flag, kind=OnASocket)

    assert await service.wait() == 2
    assert await service.complaint() == (
        f"taskqueue: {flag[0]}: the service listens on unix://{path}; leave it out\n"
    )
