"""Requests of a `Client`, over connections that are kept and shared among threads."""

from collections.abc import Generator
from http import HTTPStatus

import urllib3

from taskqueue.client.address import ServiceAddress
from taskqueue.client.call import Answer, Call, NoAnswer
from taskqueue.client.event_stream import SILENCE_S, Block, BlockReader
from taskqueue.client.following import Following

MAX_IDLE = 16  # connections kept for the next request
PIECE_BYTES = 65_536  # of a stream, read at once


class Transport:
    """Sends one request at a time per thread, each on a connection of its own."""

    def __init__(self, address: ServiceAddress, timeout_s: float) -> None:
        """Make one; `timeout_s` is the longest wait for a connection and for an answer."""
        self._address = address
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(retries=False, maxsize=MAX_IDLE)

    def send(self, call: Call[object]) -> Answer | NoAnswer:
        """Send the request once; redirects are not followed."""
        try:
            response = self._pool.request(
                call.method,
                self._address.url + call.path,
                body=call.body,
                headers={**self._address.headers, **call.headers},
                timeout=urllib3.Timeout(self._timeout_s, self._timeout_s + call.waits_s),
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return NoAnswer(str(error), not isinstance(error, _NEVER_SENT))
        return Answer(response.status, response.data, response.headers.get("Retry-After"))

    def stream(self, following: Following) -> Generator[Block | Answer | NoAnswer, None, None]:
        """Yield the blocks of one connection, then why there are no more, unless it has ended."""
        try:
            response = self._pool.request(
                "GET",
                self._address.url + following.path,
                headers={**self._address.headers, **following.headers},
                timeout=urllib3.Timeout(self._timeout_s, SILENCE_S),
                redirect=False,
                preload_content=False,
            )
            try:
                if response.status != HTTPStatus.OK:
                    retry_after = response.headers.get("Retry-After")
                    yield Answer(response.status, response.data, retry_after)
                    return
                reader = BlockReader()
                while received := response.read1(PIECE_BYTES, decode_content=False):
                    yield from reader.feed(received)
            finally:
                response.close()
        except urllib3.exceptions.HTTPError as error:
            yield NoAnswer(str(error), not isinstance(error, _NEVER_SENT))

    def close(self) -> None:
        """Close the connections that no request uses."""
        self._pool.clear()


_NEVER_SENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
