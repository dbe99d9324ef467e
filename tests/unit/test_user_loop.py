"""The loop of handlers: what one of them leaves behind does not affect the next ones."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskqueue.process.user_loop import UserLoop

LIMIT_S = 10.0


@pytest.fixture
def loop() -> Iterator[UserLoop]:
    loop = UserLoop()
    yield loop
    loop.close()


def watch_reading(loop: asyncio.AbstractEventLoop, end: socket.socket) -> None:
    loop.add_reader(end, lambda: None)


def watch_writing(loop: asyncio.AbstractEventLoop, end: socket.socket) -> None:
    loop.add_writer(end, lambda: None)


def watch_both(loop: asyncio.AbstractEventLoop, end: socket.socket) -> None:
    watch_reading(loop, end)
    watch_writing(loop, end)


Watch = Callable[[asyncio.AbstractEventLoop, socket.socket], None]


@pytest.mark.parametrize("watch", [watch_reading, watch_writing, watch_both])
def test_a_file_is_watched_whose_number_was_that_of_a_watched_socket(
    loop: UserLoop, watch: Watch
) -> None:
    async def leave() -> set[int]:
        ends = pair()
        for end in ends:
            watch(asyncio.get_running_loop(), end)
        numbers = {end.fileno() for end in ends}
        for end in ends:
            end.close()
        return numbers

    async def talk(left: set[int]) -> bytes:
        here, there = pair()
        with here, there:
            assert {here.fileno(), there.fileno()} == left
            await asyncio.sleep(0)
            return await sent(here, there)

    left = loop.run_until_complete(leave())

    assert loop.run_until_complete(talk(left)) == b"heard"


def test_callbacks_of_a_closed_socket_are_not_called_for_the_file_that_has_its_number(
    loop: UserLoop,
) -> None:
    called: list[str] = []

    async def leave() -> None:
        ends = pair()
        for end in ends:
            loop.add_writer(end, called.append, "writer")
            end.close()

    async def talk() -> None:
        here, there = pair()
        with here, there:
            await sent(here, there)

    loop.run_until_complete(leave())
    loop.run_until_complete(talk())

    assert called == []


def test_a_socket_may_be_closed_under_its_transport_before_its_number_is_given_to_another(
    loop: UserLoop,
) -> None:
    async def leave() -> tuple[asyncio.StreamWriter, ...]:
        ends = pair()
        writers = [(await asyncio.open_connection(sock=end))[1] for end in ends]
        for end in ends:
            end.close()
        return tuple(writers)

    async def talk() -> bytes:
        here, there = pair()
        with here, there:
            return await sent(here, there)

    left = loop.run_until_complete(leave())
    heard = loop.run_until_complete(talk())
    for writer in left:
        writer.transport.abort()
    loop.run_until_complete(asyncio.sleep(0))

    assert heard == b"heard"


def test_a_loop_that_was_hidden_is_shown_to_what_runs_next(loop: UserLoop) -> None:
    async def later() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def hide() -> Any:
        next_one = asyncio.create_task(later())
        asyncio._set_running_loop(None)
        return await next_one

    assert loop.run_until_complete(hide()) is loop


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets, with the two lowest numbers that are free."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    return ends


async def sent(here: socket.socket, there: socket.socket) -> bytes:
    """Send something from one end, and return what a reader of the other end has read."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[bytes] = loop.create_future()
    loop.add_reader(there, lambda: heard.done() or heard.set_result(there.recv(100)))
    loop.call_soon(here.send, b"heard")
    try:
        async with asyncio.timeout(LIMIT_S):
            return await heard
    finally:
        loop.remove_reader(there)
