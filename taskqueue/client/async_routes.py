"""The ways of an `AsyncClient` to the service: over HTTP, or through its file on threads."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, TypeVar

import aiohttp
from msgspec.structs import replace
from yarl import URL

from taskqueue.client import routes
from taskqueue.client.address import ServiceAddress, address_of, file_url_of
from taskqueue.client.async_writes import AsyncWrites
from taskqueue.client.call import Answer, Call, NoAnswer, refused
from taskqueue.client.event_stream import SILENCE_S, Block, BlockReader
from taskqueue.client.following import ENDED, Following
from taskqueue.client.retries import Retries
from taskqueue.client.sockets import advice
from taskqueue.client.waiting import Looking, Pause
from taskqueue.errors import ConfigError, Fault, ServiceUnavailable

if TYPE_CHECKING:
    from taskqueue.client.file import TaskFile

T = TypeVar("T")

MAX_THREADS = 2
"""Of one client on a file: one call may read while another waits to write."""


class AsyncRoute(Protocol):
    """Does the calls of a client, on the loop of the first one."""

    async def do(self, call: Call[T]) -> T:
        """Return the answer to a call, or raise what its client raises."""
        ...

    def follow(self, path: str) -> AsyncGenerator[Block, None]:
        """Yield what a stream of events sends, on as many connections as that takes.

        The first block of each connection has no event: nothing is missed from then on.
        """
        ...

    def redirect(self, url: str) -> None:
        """Go to the service at `url` from now on."""
        ...

    async def close(self) -> None:
        """Release what is kept for the next call."""
        ...


def route_of(url: str | None, token: str | None, *, timeout_s: float, retry_s: float) -> AsyncRoute:
    """Return the way to the service at `url`; see `Client`.

    Raises:
        ConfigError: there is no URL, or an argument cannot be used.
    """
    file_url = file_url_of(url, token)
    if file_url is not None:
        return FileRoute(routes.task_file(file_url, retry_s))
    return HTTPRoute(address_of(url, token), timeout_s=timeout_s, retry_s=retry_s)


class FileRoute:
    """Does calls on the file, on threads of its own, and reads a task again after commits."""

    def __init__(self, file: "TaskFile") -> None:
        self._file = file
        self._writes = AsyncWrites(file.watch)
        self._threads: ThreadPoolExecutor | None = None

    async def do(self, call: Call[T]) -> T:
        if not call.waits_s:
            return await self._once(call.directly)
        await self._version()  # opens the file, so there is a log to watch
        with self._writes.watched() as is_told:
            looking = Looking(call.waits_s, is_told=is_told, monotonic=time.monotonic)
            return await self._final(call, looking)

    async def _final(self, call: Call[T], looking: Looking) -> T:
        seen, version = self._writes.count, await self._version()
        answer = await self._once(call.directly)
        failure: ServiceUnavailable | None = None
        while not call.is_final(answer) and (pause := looking.next_pause()) is not None:
            await self._rest(pause, seen)
            if pause.until_written and self._writes.count != seen:
                looking.written()
            seen, failure = self._writes.count, None
            try:
                if (found := await self._version()) != version:
                    looking.changed()
                    answer, version = await self._once(call.directly), found
            except ServiceUnavailable as error:  # perhaps its log was removed
                looking.failed()
                failure = error
        if failure is not None:
            raise failure
        return answer

    async def _rest(self, pause: Pause, seen: int) -> None:
        if pause.until_written:
            await self._writes.wait(seen, pause.seconds)
        else:
            await asyncio.sleep(pause.seconds)

    async def _version(self) -> tuple[int, int]:
        return await self._once(lambda file: file.version())

    def follow(self, path: str) -> AsyncGenerator[Block, None]:
        return refused(self._file)

    def redirect(self, url: str) -> None:
        raise ConfigError((Fault("url", "cannot be changed, because this client is a file's"),))

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.get_running_loop().run_in_executor(threads, self._file.close)
            threads.shutdown(wait=False)

    async def _once(self, use: Callable[["TaskFile"], T]) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="taskqueue-file")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, use, self._file)


class HTTPRoute:
    """Sends calls, and repeats them while the service cannot be reached."""

    def __init__(self, address: ServiceAddress, *, timeout_s: float, retry_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._session: aiohttp.ClientSession | None = None
        self._left: list[aiohttp.ClientSession] = []  # of addresses that were left; in use maybe

    async def do(self, call: Call[T]) -> T:
        retries = Retries(self._address.url, self._retry_s)
        while True:
            answer = await self._try(call)
            if isinstance(answer, Answer) and call.is_answered(answer):
                return call.result(answer)
            pause_s = retries.wait_s(answer, is_repeatable=call.is_repeatable)
            await asyncio.sleep(pause_s)

    async def follow(self, path: str) -> AsyncGenerator[Block, None]:
        following = Following(path, self._address.url, self._retry_s)
        while True:
            ended: Answer | NoAnswer = ENDED
            async with aclosing(self._stream(following)) as stream:
                async for each in stream:
                    if isinstance(each, Block):
                        following.took(each)
                        yield each
                    else:
                        ended = each
            await asyncio.sleep(following.pause_s(ended))

    def redirect(self, url: str) -> None:
        before = self._address.socket
        self._address = replace(self._address, url=address_of(url, None, {}).url)
        if self._session is not None and self._address.socket != before:
            self._left.append(self._session)
            self._session = None

    async def close(self) -> None:
        for session in (*self._left, *filter(None, [self._session])):
            await session.close()
        self._left.clear()

    async def _try(self, call: Call[T]) -> Answer | NoAnswer:
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._timeout_s,
            sock_read=self._timeout_s + call.waits_s,
        )
        try:
            async with self._connected().request(
                call.method,
                URL(self._address.base + call.path, encoded=True),
                data=call.body,
                headers=call.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            return NoAnswer(self._reason(error), not isinstance(error, _NEVER_SENT))
        return Answer(response.status, body, response.headers.get("Retry-After"))

    async def _stream(
        self, following: Following
    ) -> AsyncGenerator[Block | Answer | NoAnswer, None]:
        """Yield the blocks of one connection, then why there are no more, unless it has ended."""
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeout_s, sock_read=SILENCE_S
        )
        try:
            async with self._connected().get(
                URL(self._address.base + following.path, encoded=True),
                headers=following.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                if response.status != HTTPStatus.OK:
                    retry_after = response.headers.get("Retry-After")
                    yield Answer(response.status, await response.read(), retry_after)
                    return
                reader = BlockReader()
                async for received in response.content.iter_any():
                    for block in reader.feed(received):
                        yield block
                response.close()
        except (aiohttp.ClientError, TimeoutError) as error:
            yield NoAnswer(self._reason(error), not isinstance(error, _NEVER_SENT))

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            path = self._address.socket
            self._session = aiohttp.ClientSession(
                connector=None if path is None else aiohttp.UnixConnector(path),
                headers=self._address.headers,
                skip_auto_headers=("Content-Type",),
            )
        return self._session

    def _reason(self, error: Exception) -> str:
        # That of a certificate has no `os_error`.
        is_certificate = isinstance(error, aiohttp.ClientConnectorCertificateError)
        if isinstance(error, aiohttp.ClientConnectorError) and not is_certificate:
            return advice(self._address.socket, error.os_error)
        return str(error) or "timeout"


_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
