"""The events of the service, gathered once for all streams."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import pairwise
from threading import Thread

import pytest

from taskqueue.events import events
from taskqueue.http.event_stream.broadcaster import (
    APART_S,
    MOST_INCOMING,
    PACE_S,
    Broadcaster,
)
from taskqueue.http.event_stream.filters import EventFilter
from taskqueue.rules.access import Role
from tests.gateway.event_stream import LIMIT_S, Received, parsed

ALL = EventFilter()


class Reader:
    """Takes everything as soon as it is woken."""

    def __init__(self, broadcaster: Broadcaster, wanted: EventFilter = ALL) -> None:
        self._wanted = wanted
        self._following = broadcaster.followed(wanted, None, self._on_more)
        self.received: list[Received] = []
        self.wakes = 0
        self.woken_at = 0.0
        self._more = asyncio.Event()

    @contextmanager
    def following(self) -> Iterator["Reader"]:
        with self._following as self._feed:
            yield self

    def _on_more(self) -> None:
        self.wakes += 1
        self.woken_at = asyncio.get_running_loop().time()
        while piece := self._feed.take(self._wanted, Role.READ):
            self.received += parsed(piece)
        self._more.set()

    async def until(self, count: int) -> list[Received]:
        """Wait until so many events were received."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.received) < count:
                self._more.clear()
                await self._more.wait()
        return self.received


@pytest.fixture
async def broadcaster() -> AsyncIterator[Broadcaster]:
    with closing(Broadcaster(linger_s=LIMIT_S)) as broadcaster:
        yield broadcaster


def pause(number: int) -> None:
    events.info("queue_paused", queue=str(number))


def listeners() -> int:
    return len(events.listeners.get("queue_paused", ()))


def numbers(received: list[Received]) -> list[int]:
    return [int(each.data["queue"]) for each in received]


async def test_a_burst_of_one_turn_reaches_clients_that_keep_up(broadcaster: Broadcaster) -> None:
    """A list of 10,000 tasks is such a burst, and the history keeps half of it."""
    with Reader(broadcaster).following() as reader:
        for number in range(10_000):
            pause(number)

        assert numbers(await reader.until(10_000)) == [*range(10_000)]


async def test_streams_are_not_written_to_in_one_burst(broadcaster: Broadcaster) -> None:
    """Requests, and the process that commits for them, come between two writes."""
    with ExitStack() as stack:
        readers = [stack.enter_context(Reader(broadcaster).following()) for _ in range(20)]
        pause(1)
        await asyncio.gather(*(reader.until(1) for reader in readers))

    woken_at = [reader.woken_at for reader in readers]
    apart_s = [later - earlier for earlier, later in pairwise(woken_at)]
    assert min(apart_s) >= 0.9 * APART_S  # the clock of the loop is a little coarse


async def test_more_than_can_wait_is_a_gap_at_its_place(broadcaster: Broadcaster) -> None:
    with Reader(broadcaster).following() as reader:
        for number in range(MOST_INCOMING + 500):
            pause(number)
        await reader.until(MOST_INCOMING + 1)
        pause(-1)

        received = await reader.until(MOST_INCOMING + 2)

    assert numbers(received[:MOST_INCOMING]) == [*range(MOST_INCOMING)]
    gap, last = received[MOST_INCOMING:]
    assert (gap.name, gap.data["after"]) == ("gap", received[MOST_INCOMING - 1].id)
    assert last.data["queue"] == "-1"


async def test_events_of_many_threads_arrive_each_once(broadcaster: Broadcaster) -> None:
    with Reader(broadcaster).following() as reader:
        threads = [
            Thread(target=lambda first=first: [pause(first + n) for n in range(500)])
            for first in range(0, 4_000, 500)
        ]
        for thread in threads:
            thread.start()

        received = numbers(await reader.until(4_000))
        for thread in threads:
            thread.join()

    assert sorted(received) == [*range(4_000)]
    for first in range(0, 4_000, 500):
        assert [n for n in received if first <= n < first + 500] == [*range(first, first + 500)]


async def test_events_in_quick_succession_share_a_round(broadcaster: Broadcaster) -> None:
    loop = asyncio.get_running_loop()
    with Reader(broadcaster).following() as reader:
        began_at = loop.time()
        for number in range(100):
            pause(number)
            await asyncio.sleep(0)

        await reader.until(100)

    assert reader.wakes <= 2 + (loop.time() - began_at) / PACE_S


async def test_other_events_wake_no_stream(broadcaster: Broadcaster) -> None:
    with Reader(broadcaster).following() as reader:
        for _ in range(100):
            events.debug("http_request", path="/health")
        pause(1)

        await reader.until(1)

    assert (reader.wakes, len(reader.received)) == (1, 1)


async def test_events_that_no_stream_wants_wake_none(broadcaster: Broadcaster) -> None:
    pauses = EventFilter(event=frozenset({"queue_paused"}))
    with Reader(broadcaster, pauses).following() as reader:
        for _ in range(100):
            events.info("task_completed", task_id="1", action="resize", queue="images")
        pause(1)

        await reader.until(1)

    assert (reader.wakes, len(reader.received)) == (1, 1)


async def test_streams_that_want_the_same_get_each_event_once(broadcaster: Broadcaster) -> None:
    pauses = EventFilter(event=frozenset({"queue_paused"}))
    with Reader(broadcaster, pauses).following() as some, Reader(broadcaster).following() as every:
        for number in range(3):
            pause(number)
        events.info("queue_resumed", queue="3")

        await some.until(3)
        await every.until(4)

    assert numbers(some.received) == [0, 1, 2]
    assert numbers(every.received) == [0, 1, 2, 3]


async def test_after_a_while_without_streams_nothing_is_subscribed_to() -> None:
    before = listeners()
    with closing(Broadcaster(linger_s=0.01)) as broadcaster:
        with Reader(broadcaster).following():
            assert listeners() == before + 1

        async with asyncio.timeout(LIMIT_S):
            while listeners() > before:  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.01)

        with Reader(broadcaster).following() as reader:  # a new life, in which all is as it was
            pause(7)
            assert numbers(await reader.until(1)) == [7]


async def test_a_client_that_comes_back_in_time_keeps_the_subscription() -> None:
    with closing(Broadcaster(linger_s=0.05)) as broadcaster:
        with Reader(broadcaster).following():
            subscribed = events.listeners
        with Reader(broadcaster).following():
            await asyncio.sleep(0.1)  # longer than without a client

            assert events.listeners == subscribed
