"""What one client may cost: time, connections, memory; and what it gets for its mistakes."""

import errno
import gc
import json
import socket
import tracemalloc
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession

from taskqueue.commands import Enqueue
from taskqueue.http.bodies import MAX_BODY_BYTES, MAX_CHUNKS
from taskqueue.http.server.connections import Connections
from taskqueue.http.server.limits import Limits
from taskqueue.http.server.server import HttpServer
from taskqueue.testing.events import EventLog
from tests.gateway.scripted import NOW, ScriptedService
from tests.gateway.wire import exchange, request, wire_to

TASK = b'{"action": "uppercase"}'
MIB = 1 << 20


async def queue_large(service: ScriptedService, count: int, size: int = MIB - 100) -> None:
    data = b'{"text": "%s"}' % (b"x" * size)
    tasks = [service.app.prepare("uppercase", data) for _ in range(count)]
    await service(Enqueue(tasks=tuple(tasks)))


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(head_s=0.2)])
async def test_a_header_that_does_not_end_is_cut(http: ClientSession, sock: socket.socket) -> None:
    async with wire_to(sock) as wire:
        await wire.send(b"GET /health HTTP/1.1\r\nHost: loc")

        assert await wire.is_closed()


@pytest.mark.parametrize("limits", [Limits(head_s=0.1)])
async def test_the_rest_of_a_refused_body_is_no_header(
    http: ClientSession, sock: socket.socket
) -> None:
    async with wire_to(sock) as wire, wire_to(sock) as slow:
        await wire.send(request("POST", "/nowhere", b"Content-Length: 4"), b"xx")
        refused = await wire.reply()
        await wire.send(b"xx")
        await slow.send(b"GET")

        assert await slow.is_closed()  # a look for what is overdue has been taken

        await wire.send(request("GET", "/health"))
        assert (refused.status, (await wire.reply()).status) == (404, 200)


@pytest.mark.parametrize("limits", [Limits(idle_s=0.2)])
async def test_a_connection_that_is_idle_is_closed(
    http: ClientSession, sock: socket.socket
) -> None:
    async with wire_to(sock) as silent, wire_to(sock) as used:
        await used.send(request("GET", "/health"))
        await used.reply()

        assert await silent.is_closed()
        assert await used.is_closed()


@pytest.mark.parametrize("limits", [Limits(body_s=0.2, linger_s=0.2)])
async def test_a_body_that_does_not_end_is_cut(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    async with wire_to(sock) as wire:
        await wire.send(request("POST", "/tasks", b"Content-Length: 100"), b"{")

        reply = await wire.reply()

        assert (reply.status, reply.problem()["error"]) == (408, "request timeout")
        assert await wire.is_closed()
    assert await service.storage.find(limit=1, now=NOW) == ()


@pytest.mark.parametrize("limits", [Limits(stalled_s=0.2)])
async def test_a_client_that_does_not_read_its_answer_is_cut(
    http: ClientSession, service: ScriptedService, sock: socket.socket, events: EventLog
) -> None:
    await queue_large(service, 4)
    async with wire_to(sock) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(request("GET", "/tasks") * 8)  # more than the system buffers

        await events.wait_for("connections_overdue", closed=1)

        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionResetError):
            await wire.reader.read()


# --- connections ---------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(max_connections=8)])
async def test_a_new_client_takes_the_place_of_the_one_that_has_waited_longest(
    http: ClientSession, sock: socket.socket, events: EventLog
) -> None:
    async with AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(wire_to(sock)) for _ in range(8)]
        used = silent[0]
        await used.send(request("GET", "/health"))
        await used.reply()

        newcomer = await stack.enter_async_context(wire_to(sock))
        await newcomer.send(request("GET", "/health"))
        reply = await newcomer.reply()

        assert reply.status == 200
        assert await silent[1].is_closed()
        await used.send(request("GET", "/health"))
        assert (await used.reply()).status == 200
        event = await events.wait_for("connections_full")
        assert (event["closed"], event["reason"]) == (1, "8 connections are open")


class Exhausted(socket.socket):
    """A listening socket in a process that has no descriptor left, for a while."""

    failures = 3

    def accept(self) -> tuple[socket.socket, Any]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_without_a_descriptor_clients_wait_and_the_log_has_one_line(
    server: HttpServer, sock: socket.socket, events: EventLog
) -> None:
    with Exhausted(fileno=sock.dup().detach()) as listening:
        await server.start(listening)

        reply = await exchange(sock, request("GET", "/health"))

        assert reply.status == 200
        await events.wait_for("connections_full", reason="Too many open files")
        await server.close()
    assert len(events.select("connections_full")) == 1


class Fake:
    """A connection that waits since an instant, or is worked for."""

    def __init__(self, since: float | None) -> None:
        self.since = since
        self.held = 0
        self.is_cut = False

    def waits_since(self) -> float | None:
        return self.since

    def is_overdue(self, now: float) -> bool:
        return False

    def cut(self) -> None:
        self.is_cut = True


def test_a_connection_that_is_worked_for_keeps_its_place() -> None:
    connections = Connections(Limits(), 2)
    at_work, waiting = Fake(None), Fake(1.0)
    connections.open |= {at_work, waiting}

    connections.make_room()
    connections.open.add(Fake(None))

    assert (at_work.is_cut, waiting.is_cut) == (False, True)
    assert connections.make_room() == 0


def test_too_many_bytes_cost_those_that_have_waited_longest_with_some() -> None:
    connections = Connections(Limits(max_held_bytes=100), 10)
    idle, old, young, at_work = Fake(1.0), Fake(2.0), Fake(3.0), Fake(None)
    connections.open |= {idle, old, young, at_work}

    for each in (old, young, at_work):
        connections.hold(each, 40)

    assert [each.is_cut for each in (idle, old, young, at_work)] == [False, True, False, False]


# --- half-closed ---------------------------------------------------------------------------------


async def test_what_was_asked_before_the_client_closed_its_half_is_answered(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    async with wire_to(sock) as wire:
        await wire.send(request("POST", "/tasks", body=TASK) * 2)
        wire.writer.write_eof()

        replies = [await wire.reply(), await wire.reply()]

        assert [reply.status for reply in replies] == [202, 202]
        assert await wire.is_closed()
    assert len(await service.storage.find(limit=10, now=NOW)) == 2


async def test_a_body_that_ends_too_early_is_refused_at_once(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    async with wire_to(sock) as wire:
        await wire.send(request("POST", "/tasks", b"Content-Length: 100"), TASK)
        wire.writer.write_eof()

        reply = await wire.reply()

        assert (reply.status, reply.problem()["detail"]) == (
            400,
            "The body did not arrive as announced.",
        )
        assert await wire.is_closed()
    assert await service.storage.find(limit=1, now=NOW) == ()


# --- bodies --------------------------------------------------------------------------------------


async def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(
    http: ClientSession, sock: socket.socket
) -> None:
    length = b"Content-Length: %d" % (MAX_BODY_BYTES + 1)

    reply = await exchange(sock, request("POST", "/tasks", length))

    assert (reply.status, reply.problem()["error"]) == (413, "request too large")


async def test_a_body_in_tiny_chunks_is_refused(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    head = request("POST", "/tasks", b"Transfer-Encoding: chunked")

    reply = await exchange(sock, head, b"1\r\n \r\n" * (MAX_CHUNKS + 1))

    assert (reply.status, reply.problem()["detail"]) == (
        413,
        "A request has 10000 chunks at most.",
    )


async def test_a_body_in_some_chunks_is_taken(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    head = request("POST", "/tasks", b"Transfer-Encoding: chunked")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in TASK + b" " * 9_000)

    reply = await exchange(sock, head, chunks, b"0\r\n\r\n")

    assert reply.status == 202


# --- what is no request --------------------------------------------------------------------------

SECRET = b"Cookie: hunter2"


def head(first: bytes, *lines: bytes) -> bytes:
    """Return a header that is taken as it is written here."""
    return b"\r\n".join([first, b"Host: localhost", SECRET, *lines, b"", b""])


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
        (head(b"GET /tasks HTTP/1.1", b"Authorization hunter2"), 400),
        (head(b"GET /tasks HTTP/1.1", b"Bad\0: hunter2"), 400),
        (head(b"GET /tasks?hunter2 HTTP/9.9"), 400),
        (head(b"POST /tasks HTTP/1.1", b"Content-Length: hunter2"), 400),
        (head(b"POST /tasks HTTP/1.1", b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400),
        (head(b"POST /tasks HTTP/1.1", b"Transfer-Encoding: chunked") + b"hunter2\r\n", 400),
        (head(b"GET /tasks HTTP/1.1", b"Authorization: hunter2" + b"x" * 9000), 431),
        (head(b"GET /%s HTTP/1.1" % (b"x" * 9000)), 431),
        (b"GET /tasks HTTP/1.1\r\nCookie: hunter2\r\n\r\n", 400),
        (head(b"GET /tasks HTTP/2.0"), 400),
        (head(b"GET /nowhere HTTP/0.9"), 400),
    ],
)
async def test_what_is_no_request_is_a_problem_and_its_secrets_reach_no_log(  # noqa: PLR0917
    http: ClientSession,
    sock: socket.socket,
    events: EventLog,
    caplog: pytest.LogCaptureFixture,
    raw: bytes,
    status: int,
) -> None:
    reply = await exchange(sock, raw)

    assert reply.status == status
    assert reply.problem()["error"] in {"invalid HTTP", "header too large", "invalid JSON"}
    event = await events.wait_for("http_request", status=status)
    logged = f"{caplog.text}{event}"
    assert "hunter2" not in logged
    assert "Traceback" not in logged
    assert events.select("http_error") == events.select("http_connection_failed") == []


@pytest.mark.parametrize("path", ["/tasks", "/nowhere"])
@pytest.mark.parametrize("expect", [b"\xff", b"200-maybe"])
async def test_an_unknown_expectation_is_a_problem(
    http: ClientSession, sock: socket.socket, events: EventLog, path: str, expect: bytes
) -> None:
    reply = await exchange(sock, request("POST", path, b"Expect: " + expect, body=TASK))

    assert (reply.status, reply.problem()["error"]) == (417, "expectation failed")
    assert events.select("http_error") == []


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost/tasks", b"localhost", 200),
        ("http://LOCALHOST/tasks", b"localhost", 200),
        ("http://localhost/tasks", b"evil.example", 400),
        ("http://evil.example/tasks", b"localhost", 400),
        ("http://evil.example/tasks", b"evil.example", 403),
    ],
)
async def test_the_host_in_the_request_line_counts_and_has_to_agree(
    http: ClientSession, sock: socket.socket, target: str, host: bytes, status: int
) -> None:
    # RFC 9112, section 3.2.2: the host of an absolute target goes before the field.
    line = f"GET {target} HTTP/1.1".encode()

    reply = await exchange(sock, b"\r\n".join([line, b"Host: " + host, b"", b""]))

    assert reply.status == status


async def test_of_two_origins_none_is_the_page_of_a_change(
    http: ClientSession, sock: socket.socket
) -> None:
    own, other = b"Origin: http://localhost", b"Origin: http://evil.example"

    alone = await exchange(sock, request("POST", "/tasks", own, body=TASK))
    first = await exchange(sock, request("POST", "/tasks", own, other, body=TASK))
    last = await exchange(sock, request("POST", "/tasks", other, own, body=TASK))
    twice = await exchange(sock, request("POST", "/tasks", own, own, body=TASK))

    assert [each.status for each in (alone, first, last, twice)] == [202, 403, 403, 403]


async def test_a_client_that_asks_first_is_told_to_go_on(
    http: ClientSession, sock: socket.socket
) -> None:
    async with wire_to(sock) as wire:
        length = b"Content-Length: %d" % len(TASK)
        await wire.send(request("POST", "/tasks", b"Expect: 100-continue", length))
        go_on = await wire.reply()
        await wire.send(TASK)
        reply = await wire.reply()

    assert (go_on.status, reply.status) == (100, 202)


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        request("GET", "/tasks"),
        request("GET", "/supervision?format=text"),
        request("GET", "/nowhere"),
        request("PUT", "/tasks"),
        request("POST", "/tasks", body=TASK),
        request("POST", "/tasks", b"Expect: no"),
        b"no HTTP\r\n\r\n",
    ],
)
async def test_every_answer_ends_with_a_newline_and_is_neither_sniffed_nor_stored(
    http: ClientSession, sock: socket.socket, raw: bytes
) -> None:
    reply = await exchange(sock, raw)

    assert reply.body.endswith(b"\n")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"


async def test_a_page_ends_early_when_its_tasks_are_large(
    http: ClientSession, service: ScriptedService
) -> None:
    await queue_large(service, 6)

    first = await (await http.get("/tasks")).json()
    second = await (await http.get(f"/tasks?cursor={first['next']}")).json()

    assert (first["count"], first["truncated"], len(first["tasks"])) == (4, True, 4)
    assert (second["count"], second["next"]) == (2, None)
    assert "truncated" not in second
    listed = [task["id"] for task in first["tasks"] + second["tasks"]]
    assert listed == sorted(listed, reverse=True)
    assert len(set(listed)) == 6


async def test_fields_that_are_not_asked_for_are_left_out(
    http: ClientSession, service: ScriptedService
) -> None:
    await queue_large(service, 6)

    brief = await (await http.get("/tasks?fields=id,status,unique_key")).json()
    payloads = await (await http.get("/tasks?fields=payload&limit=2")).json()

    assert brief["count"] == 6
    assert {tuple(task) for task in brief["tasks"]} == {("id", "status")}
    assert [len(json.dumps(task["payload"])) > MIB / 2 for task in payloads["tasks"]] == [True] * 2


async def test_a_field_that_tasks_do_not_have_is_refused(http: ClientSession) -> None:
    answer = await http.get("/tasks?fields=id,token")

    [fault] = (await answer.json())["faults"]
    assert (answer.status, fault["field"]) == (422, "fields")
    assert "payload" in fault["message"]


async def test_an_aborted_answer_leaves_nothing_behind_for_the_collector(
    http: ClientSession, service: ScriptedService, sock: socket.socket
) -> None:
    await queue_large(service, 4)

    async def read_a_little() -> None:
        async with wire_to(sock) as wire:
            await wire.send(request("GET", "/tasks"))
            await wire.reader.readexactly(1024)
            wire.writer.transport.abort()

    await read_a_little()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(10):
            await read_a_little()
        await http.get("/health")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()

    assert kept < 4 * MIB
