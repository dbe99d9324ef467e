"""What races an end: nothing asked is left unanswered, nothing told comes twice."""

import asyncio
import random
import threading
from collections import Counter

import pytest

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import (
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    ExitSignal,
    Message,
    Request,
    System,
    ask,
    receives,
    stop,
    tell,
)
from tests.runtime.puppets import (
    Bug,
    Do,
    Hermit,
    Note,
    Puppet,
    Trapper,
    TrappingHermit,
    do,
    heard,
    raising,
)

ASKS, ENDS = 50_000, 400


class Ping(Request[int]):
    number: int


class PingSlowly(Request[int]):
    number: int


class PingMeanwhile(Request[int]):
    number: int


class Fail(Message):
    pass


class Target(Actor):
    """Answers in each of the ways there are, until it is ended."""

    @receives(Ping)
    def on_ping(self, message: Ping) -> int:
        """Answer at once."""
        return message.number

    @receives(PingSlowly)
    async def on_ping_slowly(self, message: PingSlowly) -> None:
        """Answer later."""
        deferred = self.defer()
        await asyncio.sleep(0)
        self._cell.host.loop.call_soon(deferred.reply, message.number)

    @receives(PingMeanwhile, concurrently=True)
    async def on_ping_meanwhile(self, message: PingMeanwhile) -> int:
        """Answer while others are handled."""
        await asyncio.sleep(0)
        return message.number

    @receives(Fail)
    def on_fail(self, _: Fail) -> None:
        """Crash."""
        raise Bug


class DedicatedTarget(Target):
    """The same on a thread of its own."""

    dedicated_host = True


@pytest.fixture
def dice() -> random.Random:
    """Return chance that can be had again: the seed is printed when the test fails."""
    seed = random.randrange(2**32)
    print("seed", seed)  # noqa: T201
    return random.Random(seed)


class Race:
    """Askers against ends: who is asked now, and what became of each ask."""

    def __init__(self, targets: list[ActorRef]) -> None:
        self.targets = targets
        self.ended = 0
        self.over = threading.Event()
        self.outcomes: list[str] = []  # one for each ask, from all threads

    def request(self, number: int) -> Request[int]:
        """Return a request of the next kind."""
        return (Ping, PingSlowly, PingMeanwhile)[number % 3](number=number)

    def target(self, number: int) -> ActorRef:
        """Return the next one to ask."""
        return self.targets[number % len(self.targets)]

    def wants_more(self, asked: int, quota: int) -> bool:
        """Tell whether an asker goes on."""
        return asked < quota or not self.over.is_set()

    def ask_from_a_thread(self, quota: int) -> None:
        """Ask in batches, then block for each answer."""
        asked = 0
        while self.wants_more(asked, quota):
            numbers = range(asked, asked + 40)
            asked += 40
            replies = [
                self.target(number).ask(self.request(number), block=False) for number in numbers
            ]
            for number, reply in zip(numbers, replies, strict=True):
                try:
                    self.note(number, reply.get(timeout=15))
                except ActorUnavailable:
                    self.outcomes.append("unavailable")

    async def ask_from_a_loop(self, quota: int) -> None:
        """Ask in batches, all at once."""
        asked = 0
        while self.wants_more(asked, quota):
            await asyncio.gather(*map(self.ask_once, range(asked, asked + 40)))
            asked += 40

    async def ask_once(self, number: int) -> None:
        """Ask and note what comes."""
        try:
            answer = await ask(self.target(number), self.request(number), timeout_s=15)
        except ActorUnavailable:
            self.outcomes.append("unavailable")
        else:
            self.note(number, answer)

    def note(self, number: int, answer: object) -> None:
        """Note an answer."""
        self.outcomes.append("answered" if answer == number else f"wrong: {number} {answer}")


async def test_each_ask_that_races_an_end_is_answered(system: System, dice: random.Random) -> None:
    kinds = [Target, DedicatedTarget, Target, DedicatedTarget]
    race = Race([await system.spawn(kind) for kind in kinds])
    quota = ASKS // 7
    threads = [threading.Thread(target=race.ask_from_a_thread, args=(quota,)) for _ in range(4)]
    threads += [
        threading.Thread(target=lambda: asyncio.run(race.ask_from_a_loop(quota))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    here = asyncio.create_task(race.ask_from_a_loop(quota))

    while race.ended < ENDS or len(race.outcomes) < ASKS:
        place = dice.randrange(len(kinds))
        await end(race.targets[place], dice)
        race.targets[place] = await system.spawn(kinds[place])
        race.ended += 1
    race.over.set()
    await here
    for thread in threads:
        await asyncio.to_thread(thread.join)

    counts = Counter(race.outcomes)
    assert set(counts) == {"answered", "unavailable"}
    assert counts.total() >= ASKS
    assert race.ended >= ENDS


async def end(ref: ActorRef, dice: random.Random) -> None:
    """End an actor in one of all ways; return when it has ended or soon will."""
    match dice.randrange(5):
        case 0:
            ref.kill()
        case 1:
            ref.exit(SHUTDOWN)
        case 2:
            tell(ref, Fail())
        case 3:
            await stop(ref, NORMAL)
        case _:
            ref.ask("not understood", block=False)
    if dice.random() < 0.5:
        await ref.ended()


@pytest.mark.parametrize("observer_kind", [Puppet, Hermit])
@pytest.mark.parametrize("victim_kind", [Puppet, Hermit])
async def test_each_monitor_that_races_an_end_delivers_exactly_once(
    system: System, observer_kind: type[Puppet], victim_kind: type[Puppet]
) -> None:
    observer, rounds, each = await system.spawn(observer_kind), 60, 10
    monitors: list[int] = []

    for _ in range(rounds):
        victim = await system.spawn(victim_kind)

        def watch(me: Puppet, victim: ActorRef = victim) -> None:
            monitors.extend(me.monitor(victim) for _ in range(each))

        watching = asyncio.ensure_future(do(observer, watch))
        await asyncio.sleep(0)
        victim.kill()
        await watching
    downs = await heard(observer, rounds * each)
    await do(observer, lambda _: "everything has arrived")

    assert sorted(down.monitor for down in downs) == sorted(monitors)
    assert {down.reason for down in downs} <= {KILLED, NOPROC}
    assert len(await do(observer, lambda me: me.heard)) == rounds * each


@pytest.mark.parametrize("observer_kind", [Trapper, TrappingHermit])
@pytest.mark.parametrize("victim_kind", [Puppet, Hermit])
async def test_each_link_that_races_an_end_signals_exactly_once(
    system: System, observer_kind: type[Puppet], victim_kind: type[Puppet]
) -> None:
    observer, victims = await system.spawn(observer_kind), []

    for _ in range(60):
        victim = await system.spawn(victim_kind)
        victims.append(victim)
        linking = asyncio.ensure_future(do(observer, lambda me, victim=victim: me.link(victim)))
        await asyncio.sleep(0)
        victim.kill()
        await linking
    signals = await heard(observer, len(victims))
    await do(observer, lambda _: "everything has arrived")

    assert Counter(signal.sender for signal in signals) == Counter(victims)
    assert {signal.reason for signal in signals} <= {KILLED, NOPROC}
    assert len(await do(observer, lambda me: me.heard)) == len(victims)


async def test_what_is_told_from_many_threads_arrives_once_and_in_order(system: System) -> None:
    senders, each = 4, 2000
    for kind in (Puppet, Hermit):
        ref = await system.spawn(kind)

        def send(sender: int, ref: ActorRef = ref) -> None:
            for number in range(each):
                tell(ref, Note(text=(sender, number)))

        await asyncio.gather(*(asyncio.to_thread(send, sender) for sender in range(senders)))

        letters = await heard(ref, senders * each)
        for sender in range(senders):
            expected = [(sender, number) for number in range(each)]
            assert [letter for letter in letters if letter[0] == sender] == expected


class Reviver(Trapper):
    """Starts its child again as soon as it hears of its end."""

    async def on_start(self) -> None:
        """Start it for the first time."""
        await Hermit.start_link("phoenix")

    @receives(ExitSignal)
    async def on_exit(self, _: ExitSignal) -> None:
        """Start it again; a taken name would be a crash."""
        self.hear(await Hermit.start_link("phoenix"))


async def test_a_name_is_always_free_for_whoever_hears_of_the_end(system: System) -> None:
    reviver = await system.spawn(Reviver)

    for life in range(1, 100):
        phoenix = system.names.whereis("phoenix")
        assert phoenix is not None
        if life % 2:
            phoenix.kill()
        else:
            tell(phoenix, Do(work=raising(Bug())))
        assert (await heard(reviver, life))[-1] is system.names.whereis("phoenix")


async def test_crossing_crashes_of_linked_actors_end_both_once(system: System) -> None:
    for _ in range(50):
        one, two = await system.spawn(Hermit), await system.spawn(Hermit)
        await do(one, lambda me, two=two: me.link(two))
        tell(one, Do(work=raising(Bug("one"))))
        tell(two, Do(work=raising(Bug("two"))))

        for ref in (one, two):
            reason = await ref.ended()
            assert isinstance(reason, Crash)
            assert str(reason) in {"Bug: one", "Bug: two"}
