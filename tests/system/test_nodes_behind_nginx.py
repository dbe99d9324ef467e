"""Three nodes behind the nginx of `examples/deploy/compose.nodes.yml`: one may die."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from taskqueue.storage.postgres.database import PostgresDatabase
from tests.cli.conftest import taskqueue
from tests.storage.conftest import fresh_database, migrated_template, postgres
from tests.system.services import TIMEOUT_S, Services, until
from tests.system.test_nginx import NGINX, connects, free_port

__all__ = ["fresh_database", "migrated_template", "postgres"]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]

CONFIGURATION = Path(__file__).parents[2] / "examples/deploy/nginx.nodes.conf"
HOST = {"Host": "queue.example"}
FLAGS = (
    *("--app", "tests.system.app:app", "--trusted-hosts", HOST["Host"]),
    *("--behind-proxy", "x-forwarded-for=127.0.0.1", "--log-level", "debug"),
)
MANY = 60


@asynccontextmanager
async def nginx(folder: Path, ports: list[int]) -> AsyncIterator[str]:
    """Run the nginx of the example before nodes at these ports; give its URL."""
    assert NGINX is not None
    port, place = free_port(), folder / "nginx"
    place.mkdir()
    nodes = iter(ports)
    text = re.sub(
        r"server node-\d:8080",
        lambda _: f"server 127.0.0.1:{next(nodes)}",
        CONFIGURATION.read_text(),
    )
    (place / "nodes.conf").write_text(text.replace("listen 80", f"listen 127.0.0.1:{port}"))
    folders = "".join(
        f"{each}_temp_path {place}/{each};"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {place}/pid; error_log stderr; "
        "events { worker_connections 256; } "
        f"http {{ access_log off; {folders} include {place}/nodes.conf; }}"
    )
    process = await asyncio.create_subprocess_exec(
        *(NGINX, "-p", str(place), "-c", str(place / "nginx.conf")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: connects(port), lambda found: found or process.returncode is not None)
        assert process.returncode is None, "nginx did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def test_a_client_notices_nothing_of_a_node_that_dies(
    services: Services,
    http: aiohttp.ClientSession,
    fresh_database: PostgresDatabase,
    tmp_path: Path,
) -> None:
    where = ("--database", fresh_database.url)
    made = await taskqueue(*where, "tokens", "new", "--role", "admin", "--name", "ops")
    headers = {**HOST, "Authorization": f"Bearer {made.out.split()[-1]}"}
    nodes = [await services.start(*FLAGS, *where) for _ in range(3)]
    ports = [int(node.url.rpartition(":")[2]) for node in nodes]
    task = {"action": "quick", "data": {}}

    async with nginx(tmp_path, ports) as url, asyncio.timeout(2 * TIMEOUT_S):

        async def accepted(key: str) -> str:
            """Enqueue as a client does: what failed is tried again under its key."""
            while True:
                async with http.post(
                    f"{url}/tasks", json=task, headers={**headers, "Idempotency-Key": key}
                ) as answer:
                    if answer.status in {200, 202}:
                        return str((await answer.json())["id"])
                    assert answer.status in {502, 503, 504}, await answer.text()

        before = await asyncio.gather(*(accepted(f"before-{n}") for n in range(MANY)))
        nodes[0].kill()
        after = [await accepted(f"after-{n}") for n in range(MANY)]
        read = []
        for task_id in (*before, *after):
            async with http.get(f"{url}/tasks/{task_id}", headers=headers) as answer:
                read.append(answer.status)
        async with http.get(f"{url}/nodes", headers=headers) as answer:
            listed = (await answer.json())["nodes"]

    served = [bool(node.events.select("task_enqueued")) for node in nodes]
    assert set(read) == {200}
    assert len(set(before) | set(after)) == 2 * MANY
    assert len(listed) == 3
    assert all(served)
    await services.end()
