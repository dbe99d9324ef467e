"""GET /events: what happens, as server-sent events."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError, ClientSession

from taskqueue.events import Buffer, events
from taskqueue.http.event_stream.broadcaster import Broadcaster
from taskqueue.http.event_stream.history import History
from taskqueue.http.event_stream.streams import LOOK_S, StreamLimits
from taskqueue.http.server.server import HttpServer
from taskqueue.http.sessions import COOKIE
from taskqueue.http.state import HttpState
from taskqueue.rules.access import Role
from tests.forked.service import ForkedService
from tests.gateway.event_stream import LIMIT_S, streaming
from tests.gateway.scripted import ScriptedService
from tests.gateway.wire import request, wire_to

MOST = 3  # streams
KEPT = 50  # events


@pytest.fixture
def stream_limits() -> StreamLimits:
    return StreamLimits(most=MOST)


@pytest.fixture
def state() -> Iterator[HttpState]:
    broadcaster = Broadcaster(make_history=partial(History, KEPT), linger_s=LIMIT_S)
    with closing(HttpState(broadcaster=broadcaster)) as state:
        yield state


def pause(queue: str) -> None:
    events.info("queue_paused", queue=queue)


def listeners() -> int:
    return len(events.listeners.get("queue_paused", ()))


async def until_open(state: HttpState, count: int) -> None:
    """Wait until so many streams are open."""
    async with asyncio.timeout(LIMIT_S):
        while state.broadcaster.count != count:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)


# --- what is sent ---------------------------------------------------------------------------------


async def test_all_streams_get_what_happens_from_their_beginning_on(http: ClientSession) -> None:
    pause("before")
    async with streaming(http) as first, streaming(http) as second:
        pause("mail")
        await asyncio.to_thread(pause, "images")

        received = [[await each.event() for _ in range(2)] for each in (first, second)]

    assert [[event.data["queue"] for event in each] for each in received] == [
        ["mail", "images"],
        ["mail", "images"],
    ]
    assert received[0] == received[1]
    assert received[0][0].name == "queue_paused"


async def test_the_headers_keep_the_answer_out_of_caches_and_buffers(http: ClientSession) -> None:
    async with streaming(http) as stream:
        headers = stream.response.headers

    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"


async def test_head_has_the_headers_and_no_stream(http: ClientSession, state: HttpState) -> None:
    answer = await http.head("/events")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert (await answer.read(), state.broadcaster.count) == (b"", 0)


async def test_a_client_gets_what_its_filters_let_pass(http: ClientSession) -> None:
    async with streaming(http, "?queue=mail,images&event=queue_paused") as stream:
        pause("default")
        events.info("queue_resumed", queue="mail")
        pause("mail")

        received = await stream.event()

    assert (received.name, received.data["queue"]) == ("queue_paused", "mail")


@pytest.mark.parametrize(
    "query", ["task=7", "queue=", "event=nothing", "kind=x", "queue=a&queue=b"]
)
async def test_a_filter_that_cannot_be_is_refused_by_name(http: ClientSession, query: str) -> None:
    answer = await http.get(f"/events?{query}")

    assert answer.status == 422
    [fault] = (await answer.json())["faults"]
    assert fault["field"] == query.partition("=")[0]


async def test_a_burst_arrives_as_a_whole_and_in_order(
    http: ClientSession, state: HttpState
) -> None:
    async with streaming(http) as stream:
        for number in range(5 * KEPT):  # in many rounds, so that none is dropped from the history
            pause(str(number))
            if number % KEPT == KEPT - 1:
                for expected in range(number - KEPT + 1, number + 1):
                    assert (await stream.event()).data["queue"] == str(expected)


# --- coming back ----------------------------------------------------------------------------------


async def test_a_client_that_comes_back_misses_nothing(http: ClientSession) -> None:
    async with streaming(http) as stream:
        pause("seen")
        seen = await stream.event()
    pause("missed")

    async with streaming(http, after=seen.id) as stream:
        pause("next")
        received = [(await stream.event()).data["queue"] for _ in range(2)]

    assert received == ["missed", "next"]


async def test_a_client_that_has_seen_no_event_can_come_back_as_well(http: ClientSession) -> None:
    async with streaming(http) as stream:
        opened = stream.opened
    pause("missed")

    async with streaming(http, after=opened.id) as stream:
        received = await stream.event()

    assert received.data["queue"] == "missed"


@pytest.mark.parametrize("text", ["9f2c01ab-17", "x", "", "7" * 8_000])
async def test_a_client_that_cannot_go_on_is_told_so_first(http: ClientSession, text: str) -> None:
    async with streaming(http, "?task=0197a4c8-0000-7000-8000-000000000000", after=text) as stream:
        received = await stream.event()

    assert received.name == "gap"
    assert text.startswith(received.data["after"].removesuffix("…"))


async def test_a_client_that_was_away_for_too_many_events_is_told_so(http: ClientSession) -> None:
    async with streaming(http) as stream:
        opened = stream.opened
    for number in range(KEPT + 1):
        pause(str(number))

    async with streaming(http, after=opened.id) as stream:
        gap = await stream.event()
        pause("next")
        received = await stream.event()

    assert (gap.name, gap.data["after"]) == ("gap", opened.id)
    assert received.data["queue"] == "next"


async def test_nothing_is_gathered_while_no_client_has_listened_for_long(
    http: ClientSession, state: HttpState
) -> None:
    before = listeners()
    async with streaming(http) as stream:
        while_open = listeners()
        opened = stream.opened
    await until_open(state, 0)

    state.broadcaster.close()  # as the timer does

    assert (while_open, listeners()) == (before + 1, before)
    async with streaming(http, after=opened.id) as stream:
        assert (await stream.event()).name == "gap"


# --- access ---------------------------------------------------------------------------------------


async def test_a_stream_ends_soon_after_its_token_was_revoked(
    http: ClientSession, service: ScriptedService
) -> None:
    text = await service.grant(Role.READ)
    await service.grant(Role.ADMIN)
    async with streaming(http, Authorization=f"Bearer {text}") as stream:
        pause("mail")
        await stream.event()

        await service.storage.revoke_token("read")

        async with asyncio.timeout(4 * LOOK_S):
            assert await stream.ends() == []


async def test_a_stream_of_a_session_ends_with_the_session(
    http: ClientSession, service: ScriptedService
) -> None:
    text = await service.grant(Role.READ)
    begun = await http.post("/session", json={"token": text})
    cookie = {"Cookie": f"{COOKIE}={begun.cookies[COOKIE].value}"}
    async with streaming(http, **cookie) as stream:
        pause("mail")
        await stream.event()

        assert (await http.delete("/session", headers=cookie)).status == 204

        assert await stream.ends() == []


async def test_a_reader_does_not_see_who_has_changed_what(
    http: ClientSession, service: ScriptedService
) -> None:
    reader, admin = [await service.grant(role) for role in (Role.READ, Role.ADMIN)]
    async with (
        streaming(http, Authorization=f"Bearer {reader}") as for_reader,
        streaming(http, Authorization=f"Bearer {admin}") as for_admin,
    ):
        headers = {"Authorization": f"Bearer {admin}", "Content-Type": "application/json"}
        async with http.post("/queues/mail/pause", headers=headers) as answer:
            assert answer.status == 200
        pause("last")

        seen = [(await each.event()).name for each in (for_reader, for_admin)]

    assert seen == ["queue_paused", "audit_change"]


async def test_so_many_streams_may_be_open_that_others_find_a_connection(
    http: ClientSession, state: HttpState
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MOST):
            await stack.enter_async_context(streaming(http))

        one_too_many = await http.get("/events")

    assert (one_too_many.status, one_too_many.headers["Retry-After"]) == (503, "1")
    problem = await one_too_many.json()
    assert (problem["error"], str(MOST) in problem["detail"]) == ("too many event streams", True)
    await until_open(state, 0)
    async with streaming(http) as stream:
        pause("mail")
        assert await stream.event()


# --- ending ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("hang_up", ["close", "half-close", "abort"])
async def test_a_client_that_leaves_costs_nothing_any_more(
    http: ClientSession, state: HttpState, sock: socket.socket, hang_up: str
) -> None:
    async with wire_to(sock) as wire:
        await wire.send(request("GET", "/events"))
        await until_open(state, 1)
        if hang_up == "abort":
            wire.writer.transport.abort()
        if hang_up == "half-close":
            wire.writer.write_eof()
            await until_open(state, 0)
    await until_open(state, 0)


async def test_a_server_that_stops_ends_every_stream_at_once(
    http: ClientSession, state: HttpState, server: HttpServer
) -> None:
    async with streaming(http) as first, streaming(http) as second:
        loop = asyncio.get_running_loop()
        began_at = loop.time()

        await server.close()

        assert loop.time() - began_at < LOOK_S  # nothing was waited for
        assert [await first.ends(), await second.ends()] == [[], []]
    assert state.broadcaster.count == 0


async def test_a_stream_of_http_1_0_ends_with_its_connection(
    http: ClientSession, state: HttpState, sock: socket.socket, server: HttpServer
) -> None:
    async with wire_to(sock) as wire:
        await wire.send(request("GET", "/events").replace(b"HTTP/1.1", b"HTTP/1.0"))
        await until_open(state, 1)
        pause("mail")
        async with asyncio.timeout(LIMIT_S):
            head = await wire.reader.readuntil(b"\r\n\r\n")
            text = await wire.reader.readuntil(b'"queue":"mail"}\n\n')
            await server.close()
            rest = await wire.reader.read()

    assert b"chunked" not in head
    assert text.startswith(b"retry: 1000\nid: ")
    assert rest == b""


class TestHeartbeat:
    @pytest.fixture
    def stream_limits(self) -> StreamLimits:
        return StreamLimits(beat_s=0.05)

    async def test_a_silent_stream_gives_the_id_to_come_back_with(
        self, http: ClientSession
    ) -> None:
        async with streaming(http, "?queue=mail") as stream:
            pause("default")
            beats = [stream.opened]
            while (beat := await stream.block()).id == beats[0].id:
                beats.append(beat)
            pause("mail")
            event = await stream.event()

        assert beat.name == ""
        assert [int(each.id.partition("-")[2]) for each in (stream.opened, beat)] == [0, 1]
        assert event.data["queue"] == "mail"


# --- clients that do not read ---------------------------------------------------------------------

STALLED = 100
MOST_ROUNDS = 16  # of 25 events of 1,000 bytes: 400,000 bytes for one client


class TestStalled:
    @pytest.fixture
    def stream_limits(self) -> StreamLimits:
        return StreamLimits(most=STALLED + 1)

    async def test_clients_that_do_not_read_are_cut_and_the_others_go_on(
        self, http: ClientSession, state: HttpState, sock: socket.socket
    ) -> None:
        shrink(sock)
        async with AsyncExitStack() as stack:
            buffer = stack.enter_context(events.subscribed(Buffer(10_000)))
            reading = await stack.enter_async_context(streaming(http))
            for _ in range(STALLED):
                stack.enter_context(stalled_client(sock))
            await until_open(state, STALLED + 1)

            rounds = 0
            while state.broadcaster.count > 1 and rounds < MOST_ROUNDS:
                rounds += 1
                for number in range(KEPT // 2):
                    events.info("queue_paused", queue=f"{number}-{'x' * 900}")
                for number in range(KEPT // 2):
                    assert (await reading.event()).data["queue"].startswith(f"{number}-")

        dropped = sum(each.name == "event_stream_dropped" for each in buffer.take())
        assert dropped == STALLED
        # Buffers of the connections took some; beyond that nothing was kept for them.
        assert rounds < MOST_ROUNDS

    async def test_a_stop_does_not_wait_for_clients_that_do_not_read(
        self, http: ClientSession, state: HttpState, sock: socket.socket, server: HttpServer
    ) -> None:
        shrink(sock)
        with stalled_client(sock):
            await until_open(state, 1)
            for number in range(KEPT):
                events.info("queue_paused", queue=f"{number}-{'x' * 900}")
            loop = asyncio.get_running_loop()
            began_at = loop.time()

            await server.close()

            assert loop.time() - began_at < LOOK_S
        await until_open(state, 0)


def shrink(listener: socket.socket) -> None:
    """Let its connections have small buffers in the system, so that they are full soon."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)


def stalled_client(sock: socket.socket) -> socket.socket:
    """Return a connection that asks for a stream and does not read it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(sock.getsockname())
    client.sendall(request("GET", "/events"))
    return client


# --- a real service -------------------------------------------------------------------------------


async def test_a_real_service_shows_the_life_of_a_task_and_its_own_stop(tmp_path: Path) -> None:
    async with (
        ForkedService(tmp_path) as process,
        ClientSession(base_url=process.url) as http,
        streaming(http) as stream,
    ):
        posted = await http.post("/tasks", json={"action": "uppercase", "data": {"text": "hi"}})
        task_id = (await posted.json())["id"]
        life = [await stream.event() for _ in range(3)]

        await process.stop()
        end = [each.name for each in await stream.ends()]

    assert [each.name for each in life] == ["task_enqueued", "attempt_started", "task_completed"]
    assert {each.data["task_id"] for each in life} == {task_id}
    assert end[0] == "service_stopping"


async def test_a_restart_of_the_gateway_loses_no_event(tmp_path: Path) -> None:
    async with (
        ForkedService(tmp_path) as process,
        ClientSession(base_url=process.url) as http,
    ):
        async with streaming(http, "?event=task_completed,child_restarted") as stream:
            await http.post("/supervision/kill", json={"path": "root/gateway"})
            opened = stream.opened
            with pytest.raises((ClientPayloadError, asyncio.IncompleteReadError)):
                await stream.block()
        posted = await http.post("/tasks", json={"action": "uppercase", "data": {"text": "hi"}})
        task_id = (await posted.json())["id"]
        await process.wait_for("task_completed", task_id=task_id)

        async with streaming(
            http, "?event=task_completed,child_restarted", after=opened.id
        ) as stream:
            received = [await stream.event() for _ in range(2)]

    assert [each.name for each in received] == ["child_restarted", "task_completed"]
    assert received[0].data["child_id"] == "gateway"
