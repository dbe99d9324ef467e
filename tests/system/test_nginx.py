"""A real nginx in front of the service."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.system.services import TIMEOUT_S, Services, until
from tests.system.test_tokens import bearer, new
from tests.system.test_unix_socket import OnASocket

NGINX = shutil.which("nginx")
CLIENT = "127.0.0.9"  # an address of loopback that is not the proxy's

pytestmark = [
    pytest.mark.forked,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {upstream};
            {headers}
        }}
    }}
}}
"""

_AS_DOCUMENTED = """
proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
"""

QUEUE_EXAMPLE = {"Host": "queue.example"}
MADE = ("tokens new --role admin --name ops", "file")  # the entry of the token itself


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def nginx(folder: Path, upstream: str, headers: str = _AS_DOCUMENTED) -> AsyncIterator[str]:
    """Run nginx before `upstream`; give its URL."""
    assert NGINX is not None
    port, place = free_port(), folder / "nginx"
    place.mkdir()
    text = _CONFIGURATION.format(folder=place, port=port, upstream=upstream, headers=headers)
    configuration = place / "nginx.conf"
    configuration.write_text(text)
    process = await asyncio.create_subprocess_exec(
        *(NGINX, "-p", str(place), "-c", str(configuration)), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: connects(port), lambda found: found or process.returncode is not None)
        assert process.returncode is None, "nginx did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def connects(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client at an address of its own."""
    connector = aiohttp.TCPConnector(local_addr=(CLIENT, 0))
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session


async def status_of(client: aiohttp.ClientSession, url: str, **headers: str) -> int:
    async with client.get(url, headers=headers) as answer:
        return answer.status


async def test_without_tokens_a_proxy_opens_nothing_and_this_machine_keeps_access(
    services: Services, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    service = await services.start()

    async with nginx(tmp_path, service.url) as proxied:
        async with client.get(f"{proxied}/tasks") as answer:
            refused = answer.status, (await answer.json())["detail"]
        pause = f"{proxied}/queues/default/pause"
        async with client.post(pause, json={}) as answer:
            paused = answer.status
        direct = await status_of(client, f"{service.url}/tasks")
        health = await status_of(client, f"{proxied}/health")

    assert refused[0] == 403
    assert "`behind_proxy`" in refused[1]
    assert (paused, direct, health) == (403, 200, 200)


async def test_a_token_administers_through_the_proxy_and_the_trail_has_the_client(
    services: Services, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    admin = bearer(await new(tmp_path, "admin", "ops"))
    service = await services.start(
        *("--trusted-hosts", "queue.example", "--behind-proxy", "x-forwarded-for=127.0.0.1")
    )
    forged = {"X-Forwarded-For": "203.0.113.66"}

    async with nginx(tmp_path, service.url) as proxied:
        stranger = await status_of(client, f"{proxied}/tasks", **QUEUE_EXAMPLE)
        other_name = await status_of(client, f"{proxied}/tasks", Host="evil.example", **admin)
        pause = f"{proxied}/queues/default/pause"
        headers = {**QUEUE_EXAMPLE, **admin, **forged}
        async with client.post(pause, json={}, headers=headers) as answer:
            paused = answer.status
        async with client.get(f"{proxied}/audit", headers={**QUEUE_EXAMPLE, **admin}) as answer:
            [change, made] = (await answer.json())["changes"]

    assert (stranger, other_name, paused) == (401, 403, 200)
    assert (change["who"], change["remote"]) == ("ops", CLIENT)
    assert (made["path"], made["remote"]) == MADE


async def test_a_proxy_may_reach_the_service_by_its_unix_socket(
    services: Services, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    admin = bearer(await new(tmp_path, "admin", "ops"))
    path = tmp_path / "taskqueue.sock"
    await services.start(
        *("--listen", f"unix://{path}", "--trusted-hosts", "queue.example"),
        *("--behind-proxy", "x-forwarded-for=unix"),
        kind=OnASocket,
    )

    async with nginx(tmp_path, f"http://unix:{path}") as proxied:
        stranger = await status_of(client, f"{proxied}/tasks", **QUEUE_EXAMPLE)
        task = {"action": "uppercase"}
        headers = {**QUEUE_EXAMPLE, **admin}
        async with client.post(f"{proxied}/tasks", json=task, headers=headers) as answer:
            queued = answer.status
        async with client.get(f"{proxied}/audit", headers=headers) as answer:
            [change, made] = (await answer.json())["changes"]

    assert (stranger, queued, change["remote"]) == (401, 202, CLIENT)
    assert (made["path"], made["remote"]) == MADE


async def test_a_browser_session_behind_https_is_secure(
    services: Services, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    token = await new(tmp_path, "admin", "ops")
    service = await services.start("--trusted-hosts", "queue.example")
    page = {**QUEUE_EXAMPLE, "Origin": "https://queue.example"}

    async with nginx(tmp_path, service.url) as proxied:
        begin = f"{proxied}/session"
        async with client.post(begin, json={"token": token}, headers=page) as answer:
            cookie = answer.headers["Set-Cookie"]
        headers = {"Cookie": cookie.partition(";")[0]}
        pause = f"{proxied}/queues/default/pause"
        async with client.post(pause, json={}, headers={**headers, **page}) as answer:
            own = answer.status
        evil = {**headers, **QUEUE_EXAMPLE, "Origin": "https://evil.example"}
        async with client.post(pause, json={}, headers=evil) as answer:
            foreign = answer.status

    assert cookie.endswith("; Secure")
    assert (own, foreign) == (200, 403)


async def test_a_bare_proxy_looks_like_this_machine_until_there_is_a_token(
    services: Services, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    service = await services.start()

    async with nginx(tmp_path, service.url, headers="") as proxied:
        before = await status_of(client, f"{proxied}/tasks")
        await new(tmp_path, "admin", "ops")
        await until(lambda: status_of(client, f"{proxied}/tasks"), lambda found: found == 401)

    assert before == 200  # docs/access.md says so: make a token first
