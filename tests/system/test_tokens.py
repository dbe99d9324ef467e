"""Tokens, made and revoked by the command while the service runs."""

import asyncio
import json
import os
import pwd
import stat
import sys
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from taskqueue.rules.access import digest_of
from taskqueue.storage.sqlite.engine import SQLiteStorage
from tests.system.services import TIMEOUT_S, Services, until

pytestmark = [pytest.mark.long, pytest.mark.forked]

JSON = {"Content-Type": "application/json"}


class Done(NamedTuple):
    """What a command has said, and how it ended."""

    code: int
    out: str
    err: str


async def tokens(folder: Path, *arguments: str, database: str = "data/tasks.db") -> Done:
    """Run `taskqueue tokens` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "taskqueue", "--database", database, "tokens", *arguments),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(TIMEOUT_S):
        out, err = await process.communicate()
    return Done(process.returncode or 0, out.decode().strip(), err.decode().strip())


async def new(folder: Path, role: str, name: str) -> str:
    """Make a token and return its text."""
    done = await tokens(folder, "new", "--role", role, "--name", name)
    assert done.code == 0, done
    return done.out


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def listed(folder: Path) -> dict[str, dict[str, object]]:
    done = await tokens(folder, "list", "--json")
    assert done.code == 0, done
    return {each["name"]: each for each in json.loads(done.out)}


async def test_the_first_token_closes_a_running_service_and_the_last_one_opens_it(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    service = await services.start()

    async def status(**headers: str) -> int:
        async with http.get(f"{service.url}/tasks", headers=headers) as answer:
            return answer.status

    before = await status()
    token = await new(tmp_path, "read", "ci")
    await until(status, lambda found: found == 401)
    with_it = await status(**bearer(token))
    revoked = await tokens(tmp_path, "revoke", "ci")
    await until(status, lambda found: found == 200)

    assert (before, with_it, revoked.code) == (200, 200, 0)
    assert "No token is left" in revoked.err


async def test_a_revoked_token_is_refused_by_the_first_request_after_a_second(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    keep, drop = await new(tmp_path, "admin", "keep"), await new(tmp_path, "admin", "drop")
    service = await services.start()

    async def status(token: str) -> int:
        async with http.get(f"{service.url}/tasks", headers=bearer(token)) as answer:
            return answer.status

    before = await status(drop)
    await tokens(tmp_path, "revoke", "drop")
    await asyncio.sleep(1.0)  # what is promised
    after = await status(drop)

    assert (before, after, await status(keep)) == (200, 401, 200)


async def test_the_last_use_of_a_token_is_shown(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    token = await new(tmp_path, "admin", "used")
    await new(tmp_path, "read", "unused")
    service = await services.start()

    async with http.get(f"{service.url}/tasks", headers=bearer(token)) as answer:
        assert answer.status == 200

    found = await until(lambda: listed(tmp_path), lambda all_: bool(all_["used"]["used_at"]))
    assert found["unused"]["used_at"] is None


async def test_neither_the_log_nor_the_database_has_the_text_of_a_token(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    token = await new(tmp_path, "admin", "ci")
    service = await services.start("--log-level", "debug")
    secret = token.removeprefix("tq_")
    calls = [
        ("POST", "/session", {"json": {"token": token}}),
        ("POST", "/session", {"json": {"token": token, "extra": 1}}),
        ("POST", "/session", {"data": f'{{"token": "{token}'}),
        ("GET", "/tasks", {"headers": bearer(token)}),
        ("GET", "/nowhere", {"headers": bearer(token)}),
        ("GET", "/tasks", {"headers": {"Authorization": f"Basic {token}"}}),
        ("POST", "/supervision/kill", {"headers": bearer(token), "json": {"path": "root/x"}}),
    ]

    answers = []
    for method, path, given in calls:
        async with http.request(method, service.url + path, **given) as answer:  # type: ignore[arg-type]  # a table
            answers.append((answer.status, await answer.text(), dict(answer.headers)))
    await service.stop()

    assert [status for status, *_ in answers] == [200, 422, 400, 200, 404, 401, 404]
    assert not any(secret in str(answer) for answer in answers)
    assert service.events.select("http_request", status=401)
    logged = service.events._events
    assert len(logged) > 5
    assert not [each for each in logged if secret in str(each)]
    assert secret not in await service.complaint()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert secret.encode() not in stored
    assert digest_of(token) in stored


async def test_an_enqueue_by_a_token_is_in_the_audit_trail(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    admin, worker = await new(tmp_path, "admin", "boss"), await new(tmp_path, "enqueue", "web")
    service = await services.start()

    task = {"action": "uppercase", "data": {"text": "a"}}
    async with http.post(f"{service.url}/tasks", json=task, headers=bearer(worker)) as answer:
        assert answer.status == 202
    async with http.get(f"{service.url}/audit", headers=bearer(worker)) as answer:
        refused = answer.status
    async with http.get(f"{service.url}/audit", headers=bearer(admin)) as answer:
        change = (await answer.json())["changes"][0]

    assert refused == 403
    assert (change["who"], change["remote"], change["path"]) == ("web", "127.0.0.1", "/tasks")


async def test_the_audit_trail_outlives_the_service_and_has_what_the_command_did(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    admin = await new(tmp_path, "admin", "boss")
    await new(tmp_path, "read", "web")
    await tokens(tmp_path, "revoke", "web")
    await tokens(tmp_path, "revoke", "web")
    service = await services.start()
    pause = f"{service.url}/queues/default/pause"

    async with http.post(pause, headers={**bearer(admin), **JSON}) as answer:
        assert answer.status == 200
    await service.stop()
    service = await services.start()
    async with http.get(f"{service.url}/audit", headers=bearer(admin)) as answer:
        changes = (await answer.json())["changes"]

    user = pwd.getpwuid(os.geteuid()).pw_name
    assert [(each["who"], each["remote"], each["method"], each["path"]) for each in changes] == [
        ("boss", "127.0.0.1", "POST", "/queues/default/pause"),
        (user, "file", "CLI", "tokens revoke web"),
        (user, "file", "CLI", "tokens new --role read --name web"),
        (user, "file", "CLI", "tokens new --role admin --name boss"),
    ]


# --- the command alone ----------------------------------------------------------------------------


async def test_the_command_makes_a_database_that_only_its_owner_reads(tmp_path: Path) -> None:
    token = await new(tmp_path, "admin", "ci")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert token.startswith("tq_")
    assert len(token) == len("tq_") + 43  # 256 bits in base64


async def test_tokens_are_listed_without_their_text(tmp_path: Path) -> None:
    made = await tokens(tmp_path, "new", "--role", "read", "--name", "web", "--expires-days", "1.5")

    [header, row] = (await tokens(tmp_path, "list")).out.splitlines()
    [found] = (await listed(tmp_path)).values()

    assert header.split() == ["name", "role", "created", "expires", "last", "used"]
    assert row.split()[:2] == ["web", "read"]
    assert made.out not in row
    assert set(found) == {"name", "role", "created_at", "expires_at", "used_at"}
    assert float(str(found["expires_at"])) - float(str(found["created_at"])) == 1.5 * 86_400


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("new", "--role", "admin", "--name", "ci"), 1, "a token named 'ci' exists"),
        (("revoke", "nobody"), 1, "no token is named 'nobody'"),
        (("new", "--role", "root", "--name", "x"), 2, "'root' is not one of"),
        (("new", "--role", "read", "--name", "a b"), 2, "1 to 64 letters"),
        (("new", "--role", "read", "--name", "x", "--expires-days", "0"), 2, "--expires-days"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    await new(tmp_path, "admin", "ci")

    done = await tokens(tmp_path, *arguments)

    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert "Traceback" not in done.err


async def test_a_database_that_is_no_file_has_no_tokens(tmp_path: Path) -> None:
    done = await tokens(tmp_path, "list", database="memory:")

    assert (done.code, done.out) == (1, "")
    assert done.err == "taskqueue: database: tokens need a database file, and memory: is none"


@pytest.mark.parametrize("arguments", [("list",), ("revoke", "ci")])
async def test_a_file_that_is_not_there_is_named_and_not_made(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = await tokens(tmp_path, *arguments)

    missing = f"{tmp_path}/data/tasks.db"
    assert done == Done(
        1, "", f"taskqueue: database: there is no {missing}; the service makes it when it starts"
    )
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  a test may wait for its own disk


async def test_a_file_of_an_earlier_release_is_migrated_if_no_service_has_it(
    tmp_path: Path,
) -> None:
    storage = SQLiteStorage(tmp_path / "tasks.db")
    await storage.migrate()
    await storage.close()

    done = await tokens(tmp_path, "list", database="tasks.db")

    assert (done.code, done.out.split()[0]) == (0, "name")
