"""The ways of a `Client` to the service: over HTTP, or through its file."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Protocol, TypeVar

from taskqueue.client.address import ServiceAddress, address_of, file_url_of
from taskqueue.client.call import Answer, Call, NoAnswer, refused
from taskqueue.client.event_stream import Block
from taskqueue.client.following import ENDED, Following
from taskqueue.client.retries import Retries
from taskqueue.client.waiting import Looking, Pause
from taskqueue.errors import ServiceUnavailable

if TYPE_CHECKING:
    from taskqueue.client.file import TaskFile
    from taskqueue.client.transport import Transport

T = TypeVar("T")


class Route(Protocol):
    """Does the calls of a client."""

    def do(self, call: Call[T]) -> T:
        """Return the answer to a call, or raise what its client raises."""
        ...

    def follow(self, path: str) -> Iterator[Block]:
        """Yield what a stream of events sends, on as many connections as that takes.

        The first block of each connection has no event: nothing is missed from then on.
        """
        ...

    def close(self) -> None:
        """Release what is kept for the next call."""
        ...


def route_of(url: str | None, token: str | None, *, timeout_s: float, retry_s: float) -> Route:
    """Return the way to the service at `url`; see `Client`.

    Raises:
        ConfigError: there is no URL, or an argument cannot be used.
    """
    file_url = file_url_of(url, token)
    if file_url is not None:
        return FileRoute(task_file(file_url, retry_s))
    return HTTPRoute(address_of(url, token), timeout_s=timeout_s, retry_s=retry_s)


def task_file(url: str, retry_s: float) -> "TaskFile":
    """Return the file at `url`, which other processes may keep locked for `retry_s` seconds."""
    from taskqueue.client.file import TaskFile  # noqa: PLC0415 - few clients need the storage

    return TaskFile(url, patience_s=retry_s)


class FileRoute:
    """Does calls on the file, and reads a task again after commits until it has ended."""

    def __init__(self, file: "TaskFile") -> None:
        self._file = file
        self._writes = file.writes

    def do(self, call: Call[T]) -> T:
        if not call.waits_s:
            return call.directly(self._file)
        self._file.version()  # opens the file, so there is a log to watch
        with self._writes.watched() as is_told:
            looking = Looking(call.waits_s, is_told=is_told, monotonic=time.monotonic)
            return self._final(call, looking)

    def _final(self, call: Call[T], looking: Looking) -> T:
        seen, version = self._writes.count, self._file.version()
        answer = call.directly(self._file)
        failure: ServiceUnavailable | None = None
        while not call.is_final(answer) and (pause := looking.next_pause()) is not None:
            self._rest(pause, seen)
            if pause.until_written and self._writes.count != seen:
                looking.written()
            seen, failure = self._writes.count, None
            try:
                if (found := self._file.version()) != version:
                    looking.changed()
                    answer, version = call.directly(self._file), found
            except ServiceUnavailable as error:  # perhaps its log was removed
                looking.failed()
                failure = error
        if failure is not None:
            raise failure
        return answer

    def _rest(self, pause: Pause, seen: int) -> None:
        if pause.until_written:
            self._writes.wait(seen, pause.seconds)
        else:
            time.sleep(pause.seconds)

    def follow(self, path: str) -> Iterator[Block]:
        return refused(self._file)

    def close(self) -> None:
        self._file.close()


class HTTPRoute:
    """Sends calls, and repeats them while the service cannot be reached."""

    def __init__(self, address: ServiceAddress, *, timeout_s: float, retry_s: float) -> None:
        self._url = address.url
        self._retry_s = retry_s
        self._transport = _transport(address, timeout_s)

    def do(self, call: Call[T]) -> T:
        retries = Retries(self._url, self._retry_s)
        while True:
            answer = self._transport.send(call)
            if isinstance(answer, Answer) and call.is_answered(answer):
                return call.result(answer)
            pause_s = retries.wait_s(answer, is_repeatable=call.is_repeatable)
            time.sleep(pause_s)

    def follow(self, path: str) -> Iterator[Block]:
        following = Following(path, self._url, self._retry_s)
        while True:
            with closing(self._transport.stream(following)) as stream:
                pause_s = yield from _blocks(stream, following)
            time.sleep(pause_s)

    def close(self) -> None:
        self._transport.close()


def _blocks(
    stream: Iterator[Block | Answer | NoAnswer], following: Following
) -> Generator[Block, None, float]:
    """Yield the blocks of one connection; return how long to wait before the next one."""
    ended: Answer | NoAnswer = ENDED
    for each in stream:
        if isinstance(each, Block):
            following.took(each)
            yield each
        else:
            ended = each
    return following.pause_s(ended)


def _transport(address: ServiceAddress, timeout_s: float) -> "Transport":
    from taskqueue.client.transport import Transport  # noqa: PLC0415 - urllib3 takes 30 ms to load

    return Transport(address, timeout_s)
