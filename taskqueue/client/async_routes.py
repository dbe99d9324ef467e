"""The ways of an `AsyncClient` to the service: over HTTP, or through its file on threads."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

import aiohttp
from msgspec.structs import replace
from yarl import URL

from taskqueue.client import routes
from taskqueue.client.address import ServiceAddress, address_of, file_url_of
from taskqueue.client.call import Answer, Call, NoAnswer
from taskqueue.client.retries import RETRIED, Retries
from taskqueue.client.waiting import read_pauses
from taskqueue.errors import ConfigError, Fault

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
    """Does calls on the file, on threads of its own, and reads a task until it has ended."""

    def __init__(self, file: "TaskFile") -> None:
        self._file = file
        self._threads: ThreadPoolExecutor | None = None

    async def do(self, call: Call[T]) -> T:
        answer = await self._once(call)
        for pause_s in read_pauses(call.waits_s, time.monotonic):
            if call.is_final(answer):
                break
            await asyncio.sleep(pause_s)
            answer = await self._once(call)
        return answer

    def redirect(self, url: str) -> None:
        raise ConfigError((Fault("url", "cannot be changed, because this client is a file's"),))

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.get_running_loop().run_in_executor(threads, self._file.close)
            threads.shutdown(wait=False)

    async def _once(self, call: Call[T]) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="taskqueue-file")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call.directly, self._file)


class HTTPRoute:
    """Sends calls, and repeats them while the service cannot be reached."""

    def __init__(self, address: ServiceAddress, *, timeout_s: float, retry_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._session: aiohttp.ClientSession | None = None

    async def do(self, call: Call[T]) -> T:
        retries = Retries(self._address.url, self._retry_s)
        while True:
            answer = await self._try(call)
            if isinstance(answer, Answer) and answer.status not in RETRIED:
                return call.result(answer)
            pause_s = retries.wait_s(answer, is_repeatable=call.is_repeatable)
            await asyncio.sleep(pause_s)

    def redirect(self, url: str) -> None:
        self._address = replace(self._address, url=address_of(url, None, {}).url)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _try(self, call: Call[T]) -> Answer | NoAnswer:
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._timeout_s,
            sock_read=self._timeout_s + call.waits_s,
        )
        try:
            async with self._connected().request(
                call.method,
                URL(self._address.url + call.path, encoded=True),
                data=call.body,
                headers=call.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            return NoAnswer(str(error) or "timeout", not isinstance(error, _NEVER_SENT))
        return Answer(response.status, body, response.headers.get("Retry-After"))

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                headers=self._address.headers, skip_auto_headers=("Content-Type",)
            )
        return self._session


_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
