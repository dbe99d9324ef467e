"""Who may make which call: every route, from everywhere, with every credential.

The answers expected here are written down, not computed by the code that is tested.
"""

import socket
from collections.abc import Mapping
from ipaddress import ip_network
from typing import NamedTuple

import pytest
from aiohttp import ClientSession

from taskqueue.http.sessions import COOKIE
from taskqueue.rules.access import Role
from taskqueue.rules.proxies import Proxies
from tests.gateway.scripted import NOW, ScriptedService, table_of
from tests.gateway.wire import exchange, request

OPEN, OPEN_CHANGE, READ, ENQUEUE, ADMIN, ADMIN_READ = (
    "open",
    "open change",
    "read",
    "enqueue",
    "admin",
    "admin read",
)

# What each call needs.
NEEDS = {
    ("GET", "/"): OPEN,
    ("GET", "/assets/{version}/{folder}/{asset}"): OPEN,
    ("GET", "/health"): OPEN,
    ("GET", "/ready"): OPEN,
    ("POST", "/session"): OPEN_CHANGE,
    ("GET", "/session"): READ,
    ("GET", "/tasks"): READ,
    ("GET", "/tasks/{id}"): READ,
    ("GET", "/tasks/{id}/logs"): READ,
    ("GET", "/tasks/{id}/stack"): READ,
    ("GET", "/stats"): READ,
    ("GET", "/dead/groups"): READ,
    ("GET", "/running"): READ,
    ("GET", "/activity"): READ,
    ("GET", "/queues"): READ,
    ("GET", "/queues/{name}/consumers"): READ,
    ("GET", "/queues/{name}/flows"): READ,
    ("GET", "/nodes"): READ,
    ("GET", "/limits"): READ,
    ("GET", "/limits/{name}"): READ,
    ("GET", "/schedules"): READ,
    ("GET", "/schedules/{name}"): READ,
    ("GET", "/events"): READ,
    ("GET", "/metrics"): READ,
    ("GET", "/supervision"): READ,
    ("GET", "/openapi.json"): READ,
    ("GET", "/docs"): READ,
    ("GET", "/docs/{file}"): READ,
    ("POST", "/tasks"): ENQUEUE,
    ("POST", "/tasks/{id}/cancel"): ENQUEUE,
    ("POST", "/tasks/{id}/redrive"): ENQUEUE,
    ("PATCH", "/tasks/{id}"): ENQUEUE,
    ("POST", "/tasks/{id}/run-now"): ENQUEUE,
    ("POST", "/tasks/{id}/clone"): ENQUEUE,
    ("POST", "/limits/{name}/take"): ENQUEUE,
    ("PUT", "/limits/{name}"): ADMIN,
    ("DELETE", "/limits/{name}"): ADMIN,
    ("GET", "/groups"): READ,
    ("GET", "/groups/{group}"): READ,
    ("POST", "/groups/{group}/close"): ENQUEUE,
    ("POST", "/groups/{group}/cancel"): ENQUEUE,
    ("POST", "/groups/{group}/redrive"): ENQUEUE,
    ("DELETE", "/tasks/{id}"): ADMIN,
    ("POST", "/tasks/cancel"): ADMIN,
    ("POST", "/tasks/redrive"): ADMIN,
    ("POST", "/tasks/run-now"): ADMIN,
    ("POST", "/tasks/delete"): ADMIN,
    ("POST", "/dead/redrive"): ADMIN,
    ("POST", "/dead/delete"): ADMIN,
    ("POST", "/queues/{name}/pause"): ADMIN,
    ("POST", "/queues/{name}/resume"): ADMIN,
    ("PUT", "/queues/{name}/consumers"): ADMIN,
    ("POST", "/nodes/{name}/drain"): ADMIN,
    ("POST", "/nodes/{name}/resume"): ADMIN,
    ("POST", "/schedules"): ADMIN,
    ("PUT", "/schedules/{name}"): ADMIN,
    ("PATCH", "/schedules/{name}"): ADMIN,
    ("POST", "/schedules/{name}/pause"): ADMIN,
    ("POST", "/schedules/{name}/resume"): ADMIN,
    ("POST", "/schedules/{name}/run"): ADMIN,
    ("DELETE", "/schedules/{name}"): ADMIN,
    ("POST", "/supervision/kill"): ADMIN,
    ("PUT", "/supervision/consumers"): ADMIN,
    ("GET", "/supervision/consumers"): READ,
    ("GET", "/audit"): ADMIN_READ,
    ("GET", "/settings"): ADMIN_READ,
    ("DELETE", "/session"): OPEN_CHANGE,  # the last call, because it ends the session
}

BODIES = {
    "/tasks": b'{"action": "uppercase"}',
    "/tasks/{id}": b'{"priority": 3}',
    "/limits/{name}": b'{"running": 2}',
    "/dead/redrive": b'{"all": true}',
    "/dead/delete": b'{"all": true}',
    "/supervision/kill": b'{"path": "root/database"}',
    "/supervision/consumers": b'{"count": 1}',
    "/queues/{name}/consumers": b'{"count": 1, "slots": 8}',
    "/session": b'{"token": "tq_unknown"}',
}

ALL_OK = dict.fromkeys((OPEN, OPEN_CHANGE, READ, ENQUEUE, ADMIN, ADMIN_READ), "ok")
ONLY_OPEN = {OPEN: "ok", OPEN_CHANGE: "ok"}
READS = {OPEN: "ok", READ: "ok", ADMIN_READ: "ok"}
NOTHING = dict[str, str]()

FORWARDED = b"X-Forwarded-For: 203.0.113.5"
FOREIGN_HOST = b"Host: evil.example"
CROSS_SITE = b"Origin: http://evil.example"
OWN = b"Origin: http://localhost"


class Case(NamedTuple):
    """Requests of one kind, and which calls they may make; all others are refused."""

    name: str
    tokens: bool
    headers: tuple[bytes, ...]
    allowed: Mapping[str, str]
    refused: int  # the status of the others
    credential: str = ""  # a role, "expired", "unknown" or "cookie"
    remote: bool = False


CASES = [
    Case("loopback, no tokens", False, (), ALL_OK, 0),
    Case("forwarded, no tokens", False, (FORWARDED,), ONLY_OPEN, 403),
    Case("foreign host, no tokens", False, (FOREIGN_HOST,), NOTHING, 403),
    Case("host is an address, no tokens", False, (b"Host: 203.0.113.9",), ONLY_OPEN, 403),
    Case("cross-site, no tokens", False, (CROSS_SITE,), READS, 403),
    Case("remote, no tokens", False, (), ONLY_OPEN, 403, remote=True),
    Case("unknown token, no tokens", False, (), ALL_OK, 0, "unknown"),
    Case("loopback", True, (), ONLY_OPEN, 401),
    Case("forwarded", True, (FORWARDED,), ONLY_OPEN, 401),
    Case("remote without a token", True, (), ONLY_OPEN, 401, remote=True),
    Case("unknown token", True, (), ONLY_OPEN, 401, "unknown"),
    Case("expired token", True, (), ONLY_OPEN, 401, "expired"),
    Case("read", True, (), {**ONLY_OPEN, READ: "ok"}, 403, "read"),
    Case("enqueue", True, (), {**ONLY_OPEN, READ: "ok", ENQUEUE: "ok"}, 403, "enqueue"),
    Case("admin", True, (), ALL_OK, 0, "admin"),
    Case("remote admin", True, (), ALL_OK, 0, "admin", remote=True),
    Case("remote reader", True, (), {**ONLY_OPEN, READ: "ok"}, 403, "read", remote=True),
    Case("forwarded admin", True, (FORWARDED,), ALL_OK, 0, "admin"),
    Case("foreign host, admin", True, (FOREIGN_HOST,), NOTHING, 403, "admin"),
    Case("cross-site, admin", True, (CROSS_SITE,), READS, 403, "admin"),
    Case("cookie", True, (OWN,), ALL_OK, 0, "cookie"),
    Case("cookie without origin", True, (), {**ONLY_OPEN, **READS}, 403, "cookie"),
    Case("cookie, cross-site", True, (CROSS_SITE,), READS, 403, "cookie"),
    Case(
        "cookie, same site only",
        True,
        (OWN, b"Sec-Fetch-Site: same-site"),
        READS,
        403,
        "cookie",
    ),
]


@pytest.fixture
def proxies() -> Proxies:
    """A proxy on loopback that says which client it speaks for: so clients can be remote."""
    return Proxies(header="x-real-ip", networks=(ip_network("127.0.0.1"),))


async def credential_of(case: Case, service: ScriptedService, http: ClientSession) -> bytes:
    texts = {role.value: await service.grant(role) for role in Role} if case.tokens else {}
    if case.tokens:
        texts["expired"] = await service.grant(Role.ADMIN, "expired", expires_at=NOW)
    if case.credential == "cookie":
        answer = await http.post("/session", json={"token": texts["admin"]})
        return f"Cookie: {COOKIE}={answer.cookies[COOKIE].value}".encode()
    text = texts.get(case.credential, f"tq_{case.credential}")
    return f"Authorization: Bearer {text}".encode()


async def status_of(sock: socket.socket, method: str, path: str, *headers: bytes) -> int:
    body = BODIES.get(path, b"") if method != "GET" else b""
    target = path.replace("{id}", "0197a4c8-0000-7000-8000-000000000000").replace(
        "{name}", "default"
    )
    typed = (b"Content-Type: application/json",) if body else ()
    return (await exchange(sock, request(method, target, *typed, *headers, body=body))).status


def as_answer(status: int, method: str, path: str) -> str | int:
    """What a status says about access. A session that cannot begin is refused by its handler."""
    if (method, path, status) == ("POST", "/session", 401):
        return "ok"
    return status if status in {401, 403} else "ok"


def test_the_table_has_every_call() -> None:
    assert {(route.method, route.path) for route in table_of(ScriptedService())} == NEEDS.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_call_is_answered_as_the_table_says(
    http: ClientSession, service: ScriptedService, sock: socket.socket, case: Case
) -> None:
    headers = case.headers
    if case.credential:
        headers = (*headers, await credential_of(case, service, http))
    elif case.tokens:
        await service.grant(Role.ADMIN)
    if case.remote:
        headers = (*headers, b"X-Real-IP: 203.0.113.5")

    answers = {
        (method, path): as_answer(await status_of(sock, method, path, *headers), method, path)
        for method, path in NEEDS
    }

    assert answers == {
        call: case.allowed.get(needed, case.refused) for call, needed in NEEDS.items()
    }


@pytest.mark.parametrize("path", ["/nowhere", "/tasks/x/y"])
async def test_a_path_that_does_not_exist_needs_a_token_too(
    http: ClientSession, service: ScriptedService, sock: socket.socket, path: str
) -> None:
    reader = f"Authorization: Bearer {await service.grant(Role.READ)}".encode()

    stranger = await exchange(sock, request("GET", path))
    known = await exchange(sock, request("GET", path, reader))

    assert (stranger.status, known.status) == (401, 404)
