"""The load of the HTTP benchmarks counts what it says; the floors answer as the service does."""

import asyncio
import doctest
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from typing import Any

import pytest

from benchmarks import http, load, servers
from benchmarks.arrivals import Arrivals, tell_now
from benchmarks.load import WARM_UP, Answers, Load, answers, post

ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Length: 11\r\nX: y\r\n\r\n{"id": "7"}'
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nnot today"
REQUEST = post("/tasks", {"action": "no_op"})


class Counting:
    """What a scripted server has seen."""

    def __init__(self, answer: bytes = ACCEPTED, *, piece: int = 1_000) -> None:
        self.connections = 0
        self.requests = 0
        self._pieces = [answer[start : start + piece] for start in range(0, len(answer), piece)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other."""
        self.connections += 1
        while await reader.read(65_536) == REQUEST:  # whole, and nothing behind it
            self.requests += 1
            for piece in self._pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()


class Forgetful(Counting):
    """Hangs up in place of an answer."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a request."""
        await reader.read(65_536)
        writer.close()


@asynccontextmanager
async def serving(counting: Counting) -> AsyncIterator[Callable[..., Awaitable[Answers]]]:
    """Serve; yield what sends a load there."""
    server = await asyncio.start_server(counting.serve, "127.0.0.1", 0)
    [_, port] = server.sockets[0].getsockname()

    async def send(*, seconds: float, **kwargs: Any) -> Answers:
        asked = Load(request=REQUEST, **kwargs)
        return await asyncio.to_thread(answers, asked, port, seconds)

    async with server:
        yield send


async def test_every_request_but_those_of_the_warm_up_is_counted_once() -> None:
    counting = Counting()

    async with serving(counting) as send:
        found = await send(connections=3, seconds=0.1)

    assert counting.connections == 3
    assert len(found.latencies_s) == counting.requests - 3 * WARM_UP
    assert found.took_s >= 0.1
    assert found.per_second == pytest.approx(len(found.latencies_s) / found.took_s)


async def test_an_answer_in_pieces_is_one_answer() -> None:
    counting = Counting(piece=7)

    async with serving(counting) as send:
        found = await send(connections=2, seconds=0.05)

    assert len(found.latencies_s) == counting.requests - 2 * WARM_UP


async def test_even_the_shortest_load_has_an_answer_of_each_connection() -> None:
    async with serving(Counting()) as send:
        found = await send(connections=4, seconds=0.0)

    assert len(found.latencies_s) == 4


async def test_a_pause_is_kept_between_an_answer_and_the_next_request() -> None:
    async with serving(Counting()) as send:
        found = await send(connections=2, seconds=0.2, pause_s=0.1)

    assert 2 <= len(found.latencies_s) <= 6  # of each: at once, after 0.1 s and after 0.2 s


@pytest.mark.parametrize(
    ("server", "complaint"),
    [(Counting(REFUSED), "NotAccepted: HTTP/1.1 503"), (Forgetful(), "the server hung up")],
)
async def test_a_server_that_does_not_accept_is_not_measured(
    server: Counting, complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(server) as send:
        with pytest.raises(subprocess.CalledProcessError):
            await send(connections=2, seconds=0.05)

    assert complaint in capfd.readouterr().err


def answered(port: int, task: object) -> tuple[int, str | None, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/tasks", json.dumps(task))
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, answer.getheader("Content-Type"), body


def test_the_floors_answer_as_the_service_does() -> None:
    with Arrivals() as arrivals:
        task = {"action": "tell", "data": {"port": arrivals.port}}
        found = []
        for server in (servers.service, http.bare, http.committing):
            with server() as port:
                found.append(answered(port, task))
                if server is not http.bare:
                    assert arrivals.next_at() > 0

    ids = [body.pop("id") for _, _, body in found]
    assert {len(id_) for id_ in ids} == {36}
    assert len(set(ids)) == 3
    assert found == [(202, "application/json", {"status": "queued"})] * 3


def test_a_floor_reads_the_request_that_the_service_reads() -> None:
    with http.bare() as port:
        connection = HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/tasks", '{"action": "no_op"')

        assert connection.getresponse().status != 202
        connection.close()


def test_a_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(servers.NotReady, match="no module nowhere"),
        servers.server("taskqueue.supervisor", "--port", "0", "--app", "nowhere:app"),
    ):
        pass


def test_what_a_handler_tells_is_heard_in_order() -> None:
    with Arrivals() as arrivals:
        tell_now(arrivals.port)
        tell_now(arrivals.port)

        assert arrivals.next_at() < arrivals.next_at()


def test_the_docstrings_tell_the_truth() -> None:
    found = doctest.testmod(load)

    assert found.attempted > 0
    assert found.failed == 0
