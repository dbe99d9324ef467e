"""The future of an ask: answered once, awaited on any loop, blocked on by any thread."""

import asyncio
import threading
import time

import pykka
import pytest

from taskqueue.runtime import Reply, System, request
from tests.runtime.puppets import Bug, Do, Hermit, Puppet


async def test_the_first_answer_counts() -> None:
    reply: Reply[int] = Reply()

    reply.set(1)
    reply.set(2)
    reply.fail(Bug())

    assert reply.done()
    assert await reply == 1
    assert reply.get() == reply.result() == 1


async def test_an_error_is_raised_by_every_reader() -> None:
    reply: Reply[int] = Reply()

    reply.fail(Bug("once"))
    reply.set(1)

    with pytest.raises(Bug, match="once"):
        await reply
    with pytest.raises(Bug, match="once"):
        reply.get()


async def test_set_exception_takes_the_one_being_handled() -> None:
    reply: Reply[int] = Reply()

    try:
        int("now")
    except ValueError:
        reply.set_exception()

    with pytest.raises(ValueError, match="now"):
        await reply


async def test_awaiting_does_not_block_the_loop(system: System) -> None:
    ref = await system.spawn(Hermit)
    release = threading.Event()

    waits = asyncio.ensure_future(_await(request(ref, Do(work=lambda _: release.wait()))))
    await asyncio.sleep(0)
    assert not waits.done()
    release.set()  # reached only because the loop is free

    assert await waits is True


async def test_get_on_the_thread_of_a_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="block"):
        Reply().get()


async def test_get_on_the_thread_of_a_loop_may_read_what_is_there() -> None:
    reply: Reply[int] = Reply()
    reply.set(1)

    assert reply.get() == 1


def test_get_blocks_a_thread_until_there_is_an_answer() -> None:
    reply: Reply[str] = Reply()
    thread = threading.Thread(target=lambda: reply.set("done"))
    thread.start()

    assert reply.get(timeout=5) == "done"
    thread.join()


def test_get_gives_up_after_its_timeout() -> None:
    reply: Reply[str] = Reply()

    with pytest.raises(pykka.Timeout):
        reply.get(timeout=0.01)


async def test_many_may_wait_on_several_loops() -> None:
    reply: Reply[str] = Reply()
    results: list[str] = []
    ready = threading.Barrier(4)

    async def wait_elsewhere() -> None:
        ready.wait(5)
        results.append(await reply)

    others = [threading.Thread(target=asyncio.run, args=(wait_elsewhere(),)) for _ in range(3)]
    for other in others:
        other.start()
    ready.wait(5)
    here = [asyncio.ensure_future(_await(reply)) for _ in range(3)]
    await asyncio.sleep(0)
    reply.set("all")
    results += [await each for each in here]
    for other in others:
        other.join(5)

    assert results == ["all"] * 6


async def test_within_raises_what_it_is_told_after_the_limit() -> None:
    reply: Reply[str] = Reply()
    began = time.monotonic()

    with pytest.raises(Bug):
        await reply.within(0.02, Bug)

    assert time.monotonic() - began >= 0.019
    reply.set("late")
    assert await reply.within(0.02, Bug) == "late"


async def test_when_done_calls_at_once_if_there_is_an_answer() -> None:
    reply: Reply[str] = Reply()
    calls: list[str] = []

    reply.when_done(lambda: calls.append("before"))
    assert calls == []
    reply.set("x")
    reply.when_done(lambda: calls.append("after"))

    assert calls == ["before", "after"]


def test_of_answers_that_race_one_wins_and_every_callback_is_called_once() -> None:
    for _ in range(300):
        reply: Reply[int] = Reply()
        start = threading.Barrier(4)
        calls: list[int] = []

        def answer(
            number: int, reply: Reply[int] = reply, start: threading.Barrier = start
        ) -> None:
            start.wait(5)
            reply.set(number)

        def listen(
            reply: Reply[int] = reply,
            start: threading.Barrier = start,
            calls: list[int] = calls,
        ) -> None:
            start.wait(5)
            for _ in range(10):
                reply.when_done(lambda: calls.append(reply.result()))

        racers = [
            threading.Thread(target=answer, args=(1,)),
            threading.Thread(target=answer, args=(2,)),
            threading.Thread(target=listen),
            threading.Thread(target=listen),
        ]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join(5)

        assert calls == [reply.result()] * 20


async def test_a_mapped_reply_is_for_threads(system: System) -> None:
    ref = await system.spawn(Puppet)
    mapped = request(ref, Do(work=lambda _: 20)).map(lambda number: number + 1)

    with pytest.raises(TypeError, match="mapped"):
        await mapped

    assert await asyncio.to_thread(mapped.get, timeout=5) == 21


def test_an_answer_for_a_loop_that_is_closed_reaches_nobody_and_harms_nobody() -> None:
    reply: Reply[str] = Reply()

    async def give_up() -> None:
        with pytest.raises(Bug):
            await reply.within(0.001, Bug)

    thread = threading.Thread(target=asyncio.run, args=(give_up(),))
    thread.start()
    thread.join(5)

    reply.set("late")

    assert reply.get() == "late"


async def _await(reply: Reply[object]) -> object:
    return await reply
