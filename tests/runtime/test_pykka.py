"""What stays of pykka: ask, tell, stop, proxies and the registry, from threads."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pykka
import pytest

from taskqueue.errors import ActorUnavailable, StartFailed
from taskqueue.runtime import (
    KILLED,
    NORMAL,
    Actor,
    ActorRef,
    Crash,
    Ignore,
    NameTaken,
    System,
)
from tests.runtime.puppets import Bug, Declared, Do, Puppet, cause_of, raising


class Counter(Actor):
    """An actor in pykka's manner."""

    declared_errors = (Declared,)
    step = 1

    def __init__(self, start: int = 0) -> None:
        super().__init__()
        self.count = start

    def add(self, number: int) -> int:
        """Return the new count."""
        self.count += number * self.step
        return self.count

    async def add_later(self, number: int) -> int:
        """Return the new count."""
        await asyncio.sleep(0)
        return self.add(number)

    def fail(self, error: Exception) -> None:
        """Raise."""
        raise error

    def on_receive(self, message: Any) -> Any:
        """Answer what no handler is marked for."""
        return ("received", message)


@pytest.fixture
def counter() -> Iterator[ActorRef]:
    """Return a counter in the default system, on a thread that is not the test's."""
    ref = Counter.start(10)
    yield ref
    ref.kill()
    ref.ended().get(timeout=5)


def test_start_returns_to_a_thread_when_on_start_is_done() -> None:
    done = []

    async def prepare(_: Actor) -> None:
        await asyncio.sleep(0)
        done.append(threading.current_thread().name)

    ref = Puppet.start(on_start=prepare)

    assert done == ["taskqueue-default"]
    assert ref.stop() is True


def test_start_raises_what_on_start_raised() -> None:
    with pytest.raises(StartFailed) as failed:
        Puppet.start(on_start=raising(Bug()))
    with pytest.raises(Ignore):
        Puppet.start(on_start=raising(Ignore()))

    assert isinstance(failed.value.__cause__, Bug)


def test_actors_started_so_live_in_one_system() -> None:
    ref = Puppet.start("default-queue")
    try:
        with pytest.raises(StartFailed) as failed:
            Puppet.start("default-queue")
        assert isinstance(failed.value.__cause__, NameTaken)
    finally:
        ref.stop()


def test_threads_that_start_at_once_share_the_system() -> None:
    refs: list[ActorRef] = []
    ready = threading.Barrier(8)

    def start() -> None:
        ready.wait(5)
        refs.append(Puppet.start())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert len({ref.cell.system for ref in refs}) == 1
    assert [ref.stop() for ref in refs] == [True] * 8


async def test_start_on_the_thread_of_a_loop_is_refused_before_it_begins(system: System) -> None:
    before = len(pykka.ActorRegistry.get_all())

    with pytest.raises(RuntimeError, match="block"):
        Puppet.start()
    with pytest.raises(RuntimeError, match="block"):
        system.spawn_blocking(Puppet)

    assert len(pykka.ActorRegistry.get_all()) == before


async def test_a_thread_may_start_actors_on_a_running_system(system: System) -> None:
    ref = await asyncio.to_thread(system.spawn_blocking, Puppet, "from a thread")

    assert system.names.whereis("from a thread") is ref
    assert await asyncio.to_thread(ref.ask, Do(work=lambda _: 7)) == 7


def test_ask_blocks_a_thread_for_the_answer(counter: ActorRef) -> None:
    assert counter.ask("x") == ("received", "x")
    assert counter.ask("x", block=True, timeout=5) == ("received", "x")
    assert counter.ask("x", block=False).get(timeout=5) == ("received", "x")


def test_ask_gives_up_after_its_timeout() -> None:
    ref = Puppet.start()

    with pytest.raises(pykka.Timeout):
        ref.ask(Do(work=lambda _: asyncio.Event().wait()), timeout=0.01)

    ref.kill()
    assert ref.ended().get(timeout=5) == KILLED


async def test_a_blocking_ask_on_the_thread_of_a_loop_is_refused_and_not_sent(
    system: System,
) -> None:
    ref = await system.spawn(Puppet)
    done: list[str] = []

    with pytest.raises(RuntimeError, match="block"):
        ref.ask(Do(work=lambda _: done.append("done")))
    await ref.ask(Do(work=lambda _: "later"), block=False)

    assert done == []


def test_a_proxy_calls_methods_and_reads_and_writes_attributes(counter: ActorRef) -> None:
    proxy = counter.proxy()

    assert proxy.add(5).get(timeout=5) == 15
    assert proxy.add_later(5).get(timeout=5) == 20
    assert proxy.count.get(timeout=5) == 20
    proxy.step = 100
    proxy.add.defer(1)
    assert proxy.count.get(timeout=5) == 120


async def test_a_proxy_can_be_awaited_on_a_loop(system: System) -> None:
    ref = await system.spawn(Counter)

    assert await ref.proxy().add(3) == 3


def test_a_declared_error_of_a_proxied_method_is_an_answer(counter: ActorRef) -> None:
    with pytest.raises(Declared):
        counter.proxy().fail(Declared()).get(timeout=5)

    assert counter.is_alive()


def test_an_undeclared_error_of_a_proxied_method_is_a_crash() -> None:
    ref, bug = Counter.start(), Bug()

    with pytest.raises(ActorUnavailable) as error:
        ref.proxy().fail(bug).get(timeout=5)

    assert error.value.cause == Crash(bug)
    assert cause_of(ref.ended().get(timeout=5)) is bug


def test_the_registry_knows_who_lives(counter: ActorRef) -> None:
    assert pykka.ActorRegistry.get_by_urn(counter.actor_urn) is counter
    assert pykka.ActorRegistry.get_by_class(Counter) == [counter]

    counter.stop()

    assert pykka.ActorRegistry.get_by_urn(counter.actor_urn) is None


def test_stop_is_orderly_and_blocks_until_the_end() -> None:
    stopped: list[object] = []
    ref = Puppet.start(on_stop=lambda me: stopped.append(me.exit_reason))

    assert ref.stop(timeout=5) is True

    assert stopped == [NORMAL]
    assert (ref.is_alive(), ref.exit_reason, ref.actor_stopped.is_set()) == (False, NORMAL, True)


def test_stopping_the_dead_is_false() -> None:
    ref = Puppet.start()

    assert [ref.stop(), ref.stop()] == [True, False]


def test_stop_waits_its_turn_behind_what_was_sent_before(counter: ActorRef) -> None:
    replies = [counter.proxy().add(1) for _ in range(100)]

    assert counter.stop() is True

    assert replies[-1].get(timeout=5) == 110


def test_an_actor_may_stop_itself_in_pykka_s_manner() -> None:
    ref = Puppet.start()

    ref.ask(Do(work=lambda me: me.stop()))

    assert ref.ended().get(timeout=5) == NORMAL


def test_asking_the_dead_is_unavailable_in_our_words_and_in_pykka_s() -> None:
    ref = Puppet.start()
    ref.stop()

    with pytest.raises(ActorUnavailable):
        ref.ask("x")
    with pytest.raises(pykka.ActorDeadError):
        ref.ask("x")
    with pytest.raises(pykka.ActorDeadError):
        ref.proxy()
    ref.tell("x")


async def test_stop_all_from_a_thread_stops_everybody(system: System) -> None:
    refs = [await system.spawn(Puppet) for _ in range(20)]

    assert set(await asyncio.to_thread(pykka.ActorRegistry.stop_all, timeout=5)) == {True}

    assert [await ref.ended() for ref in refs] == [NORMAL] * 20


async def test_stop_all_that_meets_actors_which_end_by_themselves_does_not_fail(
    system: System,
) -> None:
    refs = [await system.spawn(Puppet) for _ in range(50)]

    stopping = asyncio.create_task(asyncio.to_thread(pykka.ActorRegistry.stop_all, timeout=5))
    for ref in refs:
        ref.kill()
        await asyncio.sleep(0)

    assert set(await stopping) <= {True, False}


def test_a_stock_actor_and_ours_ask_each_other(counter: ActorRef) -> None:
    class Stock(pykka.ThreadingActor):
        def on_receive(self, message: Any) -> Any:
            return message if message == "ping" else counter.ask(message)

    stock = Stock.start()
    try:
        assert stock.ask("through stock") == ("received", "through stock")
        ours = Puppet.start()
        work = Do(work=lambda _: asyncio.to_thread(stock.ask, "ping"))
        assert ours.ask(work) == "ping"
        ours.stop()
    finally:
        stock.stop()


async def test_awaiting_a_stock_future_blocks_the_loop_so_ours_does_not_inherit_that() -> None:
    stock = pykka.ThreadingFuture()  # type: ignore[var-annotated]
    loop, ticks = asyncio.get_running_loop(), []
    loop.call_soon(lambda: loop.call_soon(ticks.append, "tick"))
    threading.Timer(0.05, stock.set, ("done",)).start()

    assert await stock == "done"

    assert ticks == []  # all that time the loop did not turn: why `Reply` exists


def test_an_actor_is_not_started_by_calling_it() -> None:
    with pytest.raises(RuntimeError, match="start_link"):
        Counter._create_actor_inbox()
