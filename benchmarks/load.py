"""The load: connections that send one request after the other, each when the last was answered.

It comes from a process of its own and costs as little as it can: the bytes of the request are made
once, and of an answer no more is read than its status and its end.
"""

import asyncio
import gc
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import ceil
from time import perf_counter

from benchmarks.apart import apart

WARM_UP = 5  # requests of each connection that are not counted

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"Content-Length: "
_ACCEPTED = b"HTTP/1.1 202 "


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent, and by how many at once. Each has one request in flight."""

    request: bytes
    connections: int
    pause_s: float = 0.0  # from an answer to the next request of that connection


@dataclass(frozen=True, slots=True)
class Answers:
    """How long each answer took, and all of them together."""

    latencies_s: Sequence[float]
    took_s: float

    @property
    def per_second(self) -> float:
        """The rate."""
        return len(self.latencies_s) / self.took_s

    @property
    def p99_ms(self) -> float:
        """What 99 of 100 answers did not exceed."""
        return 1e3 * quantile(self.latencies_s, 0.99)


class NotAccepted(Exception):
    """An answer was not 202."""


def post(path: str, value: object) -> bytes:
    """Return the bytes of a request that posts `value` as JSON."""
    body = json.dumps(value).encode()
    head = (
        f"POST {path} HTTP/1.1\r\n"
        "Host: 127.0.0.1\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "\r\n"
    )
    return head.encode() + body


def is_whole(answer: bytes) -> bool:
    r"""Tell whether all of an answer has arrived.

    >>> head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n"
    >>> is_whole(head), is_whole(head + b"\r\n{"), is_whole(head + b"\r\n{}")
    (False, False, True)
    """
    head_end = answer.find(_HEAD_END)
    if head_end < 0:
        return False
    start = answer.index(_LENGTH, 0, head_end + 2) + len(_LENGTH)
    length = int(answer[start : answer.index(b"\r\n", start)])
    return len(answer) >= head_end + len(_HEAD_END) + length


def require_accepted(answer: bytes) -> None:
    """Make sure that an answer is 202.

    Raises:
        NotAccepted: it is another; the text is all of it.
    """
    if not answer.startswith(_ACCEPTED):
        raise NotAccepted(answer.decode())


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share of them does not exceed.

    >>> quantile([3.0, 1.0, 2.0, 4.0], 0.5), quantile([3.0, 1.0, 2.0, 4.0], 0.99)
    (2.0, 4.0)
    """
    return sorted(samples)[ceil(share * len(samples)) - 1]


def answers(load: Load, port: int, seconds: float) -> Answers:
    """Send the load to a port of this machine, from a fresh process.

    Raises:
        CalledProcessError: an answer was not 202, or a connection was refused or lost.
    """
    return apart(_answers, load, port, seconds)


def _answers(load: Load, port: int, seconds: float) -> Answers:
    gc.disable()  # it would be counted as time that the server took, and there is no garbage
    return asyncio.run(_driven(load, port, seconds))


async def _driven(load: Load, port: int, seconds: float) -> Answers:
    connections = [await _connected(load, port) for _ in range(load.connections)]
    try:
        for _ in range(WARM_UP):
            await _all_ask(connections, until=0.0)
        began = perf_counter()
        latencies_s = await _all_ask(connections, until=began + seconds)
        return Answers(latencies_s, perf_counter() - began)
    finally:
        for connection in connections:
            connection.close()


async def _connected(load: Load, port: int) -> "_Connection":
    connect = asyncio.get_running_loop().create_connection
    _, connection = await connect(partial(_Connection, load), "127.0.0.1", port)
    return connection


async def _all_ask(connections: Sequence["_Connection"], *, until: float) -> list[float]:
    found = await asyncio.gather(*(connection.ask(until=until) for connection in connections))
    return list(chain.from_iterable(found))


class _Connection(asyncio.Protocol):
    """One of those who ask."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._answer = b""
        self._latencies_s: list[float] = []
        self._sent_at = self._ends_at = 0.0
        self._done: asyncio.Future[list[float]] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, *, until: float) -> "asyncio.Future[list[float]]":
        """Ask once, and again as long as `until` lies ahead; answer with how long each took.

        Raises:
            NotAccepted: an answer was not 202.
            OSError: the connection was lost.
        """
        self._ends_at = until
        self._latencies_s = []
        self._done = self._loop.create_future()
        self._send()
        return self._done

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def _send(self) -> None:
        self._sent_at = perf_counter()
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        """Time an answer that is whole, and go on."""
        self._answer += data
        if is_whole(self._answer):
            now = perf_counter()
            self._latencies_s.append(now - self._sent_at)
            answer, self._answer = self._answer, b""
            self._go_on(answer, now)

    def _go_on(self, answer: bytes, now: float) -> None:
        try:
            require_accepted(answer)
        except NotAccepted as error:
            self._done.set_exception(error)
            return
        if now >= self._ends_at:
            self._done.set_result(self._latencies_s)
        elif self._load.pause_s:
            self._loop.call_later(self._load.pause_s, self._send)
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever waits for an answer."""
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError("the server hung up"))
