"""Which requests are answered at all, and which may change something."""

import socket

import pytest
from aiohttp import ClientSession

from taskqueue.rules.access import Role
from tests.gateway.scripted import NOW, ScriptedService
from tests.gateway.wire import exchange, request

TASK = b'{"action": "uppercase"}'
JSON = b"Content-Type: application/json"


def bearer(token: str) -> bytes:
    return f"Authorization: Bearer {token}".encode()


async def stored(service: ScriptedService) -> int:
    return len(await service.storage.find(limit=100, now=NOW))


# --- hosts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tasks"),
        ("GET", "/health"),
        ("GET", "/supervision"),
        ("GET", "/nowhere"),
        ("POST", "/tasks"),
        ("POST", "/tasks/0197a4c8-0000-7000-8000-000000000000/cancel"),
    ],
)
async def test_a_name_that_was_pointed_at_this_machine_is_not_answered(
    http: ClientSession, service: ScriptedService, sock: socket.socket, method: str, path: str
) -> None:
    headers = (b"Host: evil.example", b"Origin: http://evil.example")

    reply = await exchange(sock, request(method, path, *headers, body=TASK))

    assert (reply.status, reply.problem()["error"]) == (403, "forbidden")
    assert "`trusted_hosts`" in reply.problem()["detail"]
    assert await stored(service) == 0


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LOCALHOST.", "127.0.0.1:1", "[::1]:80", "a.localhost"]
)
async def test_loopback_names_are_answered(
    http: ClientSession, sock: socket.socket, host: str
) -> None:
    reply = await exchange(sock, request("GET", "/health", f"Host: {host}".encode()))

    assert reply.status == 200


@pytest.mark.parametrize("hosts", [("queue.example", "[fd00::1]")])
async def test_trusted_hosts_are_answered_beside_loopback_names_and_no_others(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    admin = bearer(await service.grant(Role.ADMIN))
    host = b"Host: Queue.Example:443"

    posted = await exchange(sock, request("POST", "/tasks", host, admin, body=TASK))
    paused = await exchange(sock, request("POST", "/queues/default/pause", host, admin))
    by_address = await exchange(sock, request("GET", "/tasks", b"Host: [fd00::1]:80", admin))
    by_loopback = await exchange(sock, request("GET", "/tasks", admin))
    other = await exchange(sock, request("GET", "/tasks", b"Host: other.example", admin))

    assert (posted.status, paused.status, by_address.status) == (202, 200, 200)
    assert (by_loopback.status, other.status) == (200, 403)


@pytest.mark.parametrize("hosts", [("queue.example",)])
async def test_a_trusted_host_needs_a_token(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    host = b"Host: queue.example"

    without_tokens = await exchange(sock, request("GET", "/tasks", host))

    assert without_tokens.status == 403
    assert "taskqueue tokens new" in without_tokens.problem()["detail"]


@pytest.mark.parametrize("bound_to", ["0.0.0.0", "192.0.2.7"])
async def test_a_server_that_others_can_reach_answers_to_any_host(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    reader = bearer(await service.grant(Role.READ))

    reply = await exchange(sock, request("GET", "/tasks", b"Host: queue.example", reader))

    assert reply.status == 200


@pytest.mark.parametrize("bound_to", ["0.0.0.0", "192.0.2.7"])
async def test_this_machine_administers_a_server_that_others_can_reach(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    paused = await exchange(sock, request("POST", "/queues/default/pause"))

    assert paused.status == 200
    assert list(await service.storage.paused()) == ["default"]


@pytest.mark.parametrize("bound_to", ["0.0.0.0"])
@pytest.mark.parametrize("hosts", [("queue.example",)])
async def test_hosts_of_the_settings_are_the_only_ones_wherever_the_server_listens(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    reader = bearer(await service.grant(Role.READ))

    known = await exchange(sock, request("GET", "/tasks", b"Host: queue.example", reader))
    other = await exchange(sock, request("GET", "/tasks", b"Host: other.example", reader))

    assert (known.status, other.status) == (200, 403)


async def test_the_host_in_the_request_line_counts_as_much_as_the_header(
    http: ClientSession, sock: socket.socket
) -> None:
    evil = await exchange(sock, request("GET", "http://evil.example/tasks"))
    both = await exchange(sock, request("GET", "http://evil.example/tasks", b"Host: evil.example"))
    user = await exchange(sock, request("GET", "http://localhost@evil.example/tasks"))
    own = await exchange(sock, request("GET", "http://localhost/tasks"))

    assert (evil.status, both.status, user.status, own.status) == (400, 403, 400, 200)


# --- pages of other sites ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        (b"Sec-Fetch-Site: cross-site",),
        (b"Sec-Fetch-Site: same-site",),
        (b"Sec-Fetch-Site: cross-site", b"Origin: http://localhost"),
        (b"Sec-Fetch-Site: same-origin", b"Sec-Fetch-Site: cross-site"),
        (b"Origin: http://localhost", b"Origin: http://evil.example"),
        (b"Origin: http://evil.example", b"Origin: http://localhost"),
        (b"Origin: http://localhost:81",),
        (b"Origin: null",),
        (b"Origin: ftp://localhost",),
        (b"Origin: ",),
    ],
)
async def test_what_a_page_of_another_site_sends_is_refused(
    http: ClientSession,
    service: ScriptedService,
    sock: socket.socket,
    headers: tuple[bytes, ...],
) -> None:
    queued = await exchange(sock, request("POST", "/tasks", *headers, body=TASK))
    paused = await exchange(sock, request("POST", "/queues/default/pause", *headers))

    assert (queued.status, paused.status) == (403, 403)
    assert await stored(service) == 0
    assert await service.storage.paused() == {}


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (b"http://localhost:8080", b"localhost:8080"),
        (b"https://localhost", b"localhost"),
        (b"https://localhost", b"localhost:443"),
        (b"https://LOCALHOST:8443", b"localhost:8443"),
        (b"http://localhost", b"localhost:80"),
    ],
)
async def test_an_own_page_is_known_with_tls_in_front_and_without(
    http: ClientSession, sock: socket.socket, origin: bytes, host: bytes
) -> None:
    headers = (b"Host: " + host, b"Origin: " + origin, b"Sec-Fetch-Site: same-origin")

    reply = await exchange(sock, request("POST", "/tasks", *headers, body=TASK))

    assert reply.status == 202


# --- forwarded requests --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        b"Forwarded: for=192.0.2.1",
        b"Via: 1.1 proxy",
        b"X-Forwarded-For: 127.0.0.1",
        b"x-forwarded-proto: https",
        b"X-Real-IP: 127.0.0.1",
    ],
)
async def test_what_a_proxy_has_forwarded_is_refused_without_tokens(
    http: ClientSession, service: ScriptedService, sock: socket.socket, header: bytes
) -> None:
    paused = await exchange(sock, request("POST", "/queues/default/pause", header))
    queued = await exchange(sock, request("POST", "/tasks", header, body=TASK))
    listed = await exchange(sock, request("GET", "/tasks", header))

    assert (paused.status, queued.status, listed.status) == (403, 403, 403)
    assert "`behind_proxy`" in paused.problem()["detail"]
    assert await service.storage.paused() == {}
    assert await stored(service) == 0


# --- types of bodies -----------------------------------------------------------------------------


async def test_a_call_without_a_body_needs_no_type(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    paused = await exchange(sock, request("POST", "/queues/default/pause"))
    empty = await exchange(sock, request("POST", "/queues/default/pause", b"Content-Length: 0"))

    assert (paused.status, empty.status) == (200, 200)
    assert list(await service.storage.paused()) == ["default"]


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Type: text/plain", b"Content-Length: 0"),
        (b"Content-Type: application/x-www-form-urlencoded",),
        (b"Content-Length: 2",),
        (b"Transfer-Encoding: chunked",),
    ],
)
async def test_a_body_or_a_type_that_a_form_could_send_changes_nothing(
    http: ClientSession,
    service: ScriptedService,
    sock: socket.socket,
    headers: tuple[bytes, ...],
) -> None:
    reply = await exchange(sock, request("POST", "/queues/default/pause", *headers))

    assert reply.status == 415
    assert await service.storage.paused() == {}


# --- codings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"identity, gzip", b"x"])
async def test_a_body_with_a_content_coding_is_refused(
    http: ClientSession, service: ScriptedService, sock: socket.socket, coding: bytes
) -> None:
    header = b"Content-Encoding: " + coding

    reply = await exchange(sock, request("POST", "/tasks", header, body=TASK))

    assert (reply.status, reply.headers["accept-encoding"]) == (415, "identity")
    assert reply.problem()["error"] == "unsupported content coding"
    assert await stored(service) == 0


async def test_a_body_as_it_is_may_say_so(http: ClientSession, sock: socket.socket) -> None:
    header = b"Content-Encoding: Identity"

    reply = await exchange(sock, request("POST", "/tasks", header, body=TASK))

    assert reply.status == 202
