"""The attacks: what hostile clients do to one port, each by itself, until their time is over."""

import asyncio
import contextlib
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from tests.hostile_http.shapes import shape

PATIENCE_S = 5.0  # for an answer to a damaged request, which may be waiting for the rest
PAUSE_S = 0.5  # of a client that was cut
MANY = 200  # connections of an attack that only waits


@dataclass
class Ledger:
    """What came of it."""

    statuses: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def note(self, sent: bytes, answer: bytes) -> None:
        """Count an answer, and name what it breaks."""
        if not answer:
            self.statuses["closed"] += 1
            return
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head[9:12].decode("latin-1")
        self.statuses[status] += 1
        is_bad = not head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) or (
            status.startswith("5") and status != "503"
        )
        if status >= "400" and b"application/problem+json" not in head:
            is_bad = True
        if is_bad or b"Traceback" in body:
            self.violations.append(f"{sent[:500]!r} was answered with {answer[:300]!r}")


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack on a port of this machine."""

    port: int
    random: Random
    ledger: Ledger

    @contextlib.asynccontextmanager
    async def connected(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect, and hang up without a word."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def exchange(self, sent: bytes, patience_s: float = PATIENCE_S) -> None:
        """Send this, note what comes first, and leave."""
        async with self.connected() as (reader, writer):
            writer.write(sent)
            answer = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await writer.drain()
                    answer = await reader.read(65_536)
            self.ledger.note(sent, answer)

    async def trickle(self, first: bytes, drop: bytes) -> None:
        """Send a request that does not end, a byte at a time."""
        async with self.connected() as (reader, writer):
            writer.write(first)
            while not reader.at_eof():
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.2 + self.random.random() / 5)
            self.ledger.statuses["cut"] += 1


def _post(body: bytes, *headers: bytes) -> bytes:
    lines = (b"POST /tasks HTTP/1.1", b"Host: localhost", *headers)
    return b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body))


_PAGE = b"GET /tasks HTTP/1.1\r\nHost: localhost\r\n\r\n"
_BOMB = zlib.compress(b" " * (64 << 20))
_HEAD = b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n"
_CHUNKED = b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
_FAULTY = (
    b"[" + b"0," * 500_000 + b"0]",
    b'{"action":"uppercase",' + b",".join(b'"k%d":1' % n for n in range(80_000)) + b"}",
    b'{"action":"uppercase","data":{' + b",".join(b'"k%d":1' % n for n in range(80_000)) + b"}}",
    b"[" + b",".join([b'{"action":"uppercase","x":1}'] * 30_000) + b"]",
)


async def fuzz(attack: Attack) -> None:
    """Send damaged requests."""
    await attack.exchange(shape(attack.random), patience_s=0.5)


async def slow_headers(attack: Attack) -> None:
    """Send headers a byte at a time."""
    await attack.trickle(b"GET /tasks HTTP/1.1\r\nHost: localhost\r\nX: ", b"x")


async def slow_bodies(attack: Attack) -> None:
    """Send most of a body, and the rest a byte at a time."""
    await attack.trickle(_HEAD + b" " * 200_000, b" ")


async def silent(attack: Attack) -> None:
    """Connect and say nothing."""
    async with attack.connected() as (reader, _):
        await reader.read()
    await asyncio.sleep(PAUSE_S)


async def slow_readers(attack: Attack) -> None:
    """Ask for large pages and read them slowly."""
    async with attack.connected() as (reader, writer):
        writer.write(_PAGE * 4)
        while await reader.read(1024):  # noqa: ASYNC110 - to be slow is the point
            await asyncio.sleep(0.1)


async def aborted_readers(attack: Attack) -> None:
    """Ask for a large page, read a little, and leave."""
    async with attack.connected() as (reader, writer):
        writer.write(_PAGE)
        await reader.read(1024)
    await asyncio.sleep(0.05)


async def aborted_bodies(attack: Attack) -> None:
    """Leave in the middle of a large body."""
    async with attack.connected() as (_, writer):
        writer.write(_HEAD + b" " * 600_000)
        await writer.drain()
    await asyncio.sleep(0.02)


async def bombs(attack: Attack) -> None:
    """Send compressed bodies that are large when they are decompressed."""
    await attack.exchange(_post(_BOMB, b"Content-Encoding: deflate"))


async def tiny_chunks(attack: Attack) -> None:
    """Send a body in chunks of one byte."""
    await attack.exchange(_CHUNKED + b"1\r\n \r\n" * 100_000)
    await asyncio.sleep(0.2)


async def faulty(attack: Attack) -> None:
    """Send bodies with as many faults as there is room for."""
    await attack.exchange(_post(attack.random.choice(_FAULTY)))
    await asyncio.sleep(0.5)


async def flood(attack: Attack) -> None:
    """Connect, ask for a little, and leave."""
    await attack.exchange(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")


async def pipelines(attack: Attack) -> None:
    """Ask for much at once on one connection."""
    await attack.exchange(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
    await asyncio.sleep(0.2)


KINDS: Mapping[str, tuple[Callable[[Attack], Awaitable[None]], int]] = {
    "fuzz": (fuzz, 4),
    "slow_headers": (slow_headers, MANY),
    "slow_bodies": (slow_bodies, MANY),
    "silent": (silent, 3_000),
    "slow_readers": (slow_readers, 60),
    "aborted_readers": (aborted_readers, 1),
    "aborted_bodies": (aborted_bodies, 4),
    "bombs": (bombs, 8),
    "tiny_chunks": (tiny_chunks, 2),
    "faulty": (faulty, 1),
    "flood": (flood, 4),
    "pipelines": (pipelines, 1),
}
"""By name: what one client does, again and again, and how many clients there are."""


async def attack(kind: str, *, port: int, seconds: float, seed: str) -> Ledger:
    """Have all clients of a kind attack the port for so long."""
    act, clients = KINDS[kind]
    ledger = Ledger()
    tasks = [
        asyncio.create_task(
            _repeat(act, Attack(port=port, random=Random(f"{seed}/{n}"), ledger=ledger))
        )
        for n in range(clients)
    ]
    _, pending = await asyncio.wait(tasks, timeout=seconds)
    for task in pending:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
    return ledger


async def _repeat(act: Callable[[Attack], Awaitable[None]], attack: Attack) -> None:
    while True:
        try:
            await act(attack)
        except OSError as error:  # the server may well cut such a client
            attack.ledger.statuses[type(error).__name__] += 1
            await asyncio.sleep(PAUSE_S)
        await asyncio.sleep(0)
