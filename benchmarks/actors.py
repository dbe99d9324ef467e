"""The figures of the actor runtime and of supervision."""

import asyncio
from collections.abc import Callable
from functools import partial

from benchmarks import floors
from benchmarks.harness import (
    Figure,
    Measure,
    async_rate,
    in_process,
    kb_each,
    median_us,
    on_loop,
    rate,
)
from benchmarks.results import Target
from benchmarks.stopwatch import Stopwatch
from taskqueue.runtime import (
    NORMAL,
    Actor,
    Host,
    Message,
    Request,
    System,
    ask,
    receives,
    request,
    stop,
    tell,
)
from taskqueue.supervision import ChildSpec, Flags, Intensity, Supervisor, count_children

# --- asking ---------------------------------------------------------------------------------------


class Echo(Request[int]):
    """Answered with its number."""

    number: int


class Echoer(Actor):
    """The least an actor can do."""

    @receives(Echo)
    def on_echo(self, message: Echo) -> int:
        """Answer."""
        return message.number


class DistantEchoer(Echoer):
    """The same on a thread of its own."""

    dedicated_host = True


def asks(actor_class: type[Echoer]) -> Measure:
    """Return asks per second from a loop, one after the other."""

    @on_loop
    async def measured(seconds: float) -> float:
        async with System() as system:
            ref = await system.spawn(actor_class)
            return await async_rate(lambda: ask(ref, Echo(number=1)), seconds)

    return measured


@on_loop
async def pipelined_asks(seconds: float) -> float:
    """Return asks per second with 100 in flight."""
    async with System() as system:
        ref = await system.spawn(Echoer)

        async def once() -> None:
            for reply in [request(ref, Echo(number=1)) for _ in range(100)]:
                await reply

        return 100 * await async_rate(once, seconds)


def asks_from_a_thread(seconds: float) -> float:
    """Return asks per second of a thread without a loop, to an actor on another one's loop."""
    host = Host.launch("benchmark")
    ref = System(host).spawn_blocking(Echoer)
    found = rate(lambda: ref.ask(Echo(number=1)), seconds)
    ref.stop()
    host.stop()
    host.thread.join()
    return found


# --- many of them ---------------------------------------------------------------------------------


@on_loop
async def actors_per_second(seconds: float) -> float:
    """Return how many actors per second start and stop, 1,000 alive at once."""
    async with System() as system:

        async def once() -> None:
            refs = [await system.spawn(Echoer) for _ in range(1_000)]
            for ref in refs:
                await stop(ref, NORMAL)

        return 1_000 * await async_rate(once, seconds)


def kb_of_an_actor() -> float:
    """Return the memory of an idle actor, one of 10,000."""

    async def measured() -> float:
        async with System() as system:
            return await kb_each(partial(system.spawn, Echoer), 10_000)

    return asyncio.run(measured())


# --- crashing -------------------------------------------------------------------------------------


class Break(Message):
    """Crash."""


class BrokenError(Exception):
    """What it crashes with."""


class Fragile(Actor):
    """An actor that breaks when told to."""

    registered_name = "fragile"

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self._watch = watch

    def on_start(self) -> None:
        """Be back."""
        self._watch.stop()

    @receives(Break)
    def on_break(self, _: Break) -> None:
        """Crash."""
        self._watch.start()
        raise BrokenError


class TickingClock:
    """A clock that moves one second at each crash, so that a window keeps as many as it is long."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """Return the time."""
        return self.time

    def monotonic(self) -> float:
        """Return the time."""
        return self.time


class Patient:
    """A fragile actor under a supervisor that never gives up."""

    def __init__(self, system: System, *, in_window: int) -> None:
        """Prepare; the supervisor will see no more than `in_window` restarts in its period."""
        self._system = system
        self._watch = Stopwatch()
        self._clock = TickingClock()
        self._period_s = in_window - 1  # both edges count
        self._fragile = system.address("fragile")
        self._supervisor = system.address("supervisor")

    async def admit(self) -> None:
        """Start both."""
        spec = ChildSpec(id="fragile", start=partial(Fragile.start_link, self._watch))
        intensity = Intensity(max_restarts=1_000_000, period_s=self._period_s)
        flags = Flags(intensity=intensity)
        await self._system.spawn(Supervisor, "supervisor", (spec,), flags, self._clock)

    async def crash_s(self) -> float:
        """Let it raise in a handler; return the seconds until the next life's `on_start`."""
        return await self._lap_s(lambda: tell(self._fragile, Break()))

    async def kill_s(self) -> float:
        """Kill it; return the seconds until the next life's `on_start`."""
        return await self._lap_s(self._kill)

    def _kill(self) -> None:
        ref = self._fragile.whereis()
        assert ref is not None
        self._watch.start()
        ref.kill()

    async def _lap_s(self, harm: Callable[[], object]) -> float:
        self._clock.time += 1.0
        took_s = await self._watch.lap_s(harm)
        await count_children(self._supervisor)  # it has done all that this restart asked for
        return took_s


@on_loop
async def crash_to_restarted_us(seconds: float) -> float:
    """Return the median from a raise in a handler to the new `on_start`."""
    async with System() as system:
        patient = Patient(system, in_window=10)
        await patient.admit()
        return await median_us(patient.crash_s, seconds)


@on_loop
async def kill_to_restarted_us(seconds: float) -> float:
    """Return the median from a kill to the new `on_start`."""
    async with System() as system:
        patient = Patient(system, in_window=10)
        await patient.admit()
        return await median_us(patient.kill_s, seconds)


def restart_us_with(in_window: int) -> Measure:
    """Return the median recovery while the supervisor counts so many restarts in its period."""

    @on_loop
    async def measured(seconds: float) -> float:
        async with System() as system:
            patient = Patient(system, in_window=in_window)
            await patient.admit()
            for _ in range(in_window):
                await patient.crash_s()
            return await median_us(patient.crash_s, seconds)

    return measured


# --- all of it ------------------------------------------------------------------------------------

FIGURES = (
    Figure(
        name="actors.ask",
        unit="/s",
        ours=asks(Echoer),
        against="a queue and a future on the same loop",
        floor=floors.queue_asks(in_flight=1),
        target=Target("ratio", "≥", 0.60),
    ),
    Figure(
        name="actors.ask_pipelined",
        unit="/s",
        ours=pipelined_asks,
        against="a queue and futures, 100 in flight as well",
        floor=floors.queue_asks(in_flight=100),
    ),
    Figure(
        name="actors.ask_other_host",
        unit="/s",
        ours=asks(DistantEchoer),
        against="two threads with a queue each",
        floor=floors.thread_asks,
    ),
    Figure(
        name="actors.ask_other_host_loop",
        unit="/s",
        ours=asks(DistantEchoer),
        against="the bare loops of two threads",
        floor=floors.loop_asks,
    ),
    Figure(
        name="actors.ask_from_thread",
        unit="/s",
        ours=asks_from_a_thread,
        against="two threads with a queue each",
        floor=floors.thread_asks,
    ),
    Figure(
        name="actors.ask_from_thread_pykka",
        unit="/s",
        ours=asks_from_a_thread,
        against="a stock pykka ThreadingActor",
        floor=floors.pykka_asks,
    ),
    Figure(
        name="actors.start_stop",
        unit="/s",
        ours=actors_per_second,
        against="tasks started and cancelled",
        floor=floors.tasks_per_second,
    ),
    Figure(
        name="actors.start_stop_pykka",
        unit="/s",
        ours=actors_per_second,
        against="stock pykka ThreadingActors",
        floor=floors.pykka_actors_per_second,
    ),
    Figure(
        name="actors.memory",
        unit="KB",
        ours=in_process(kb_of_an_actor),
        against="a task that waits on a queue",
        floor=in_process(floors.kb_of_a_task),
        target=Target("ours", "≤", 8),
    ),
    Figure(
        name="actors.crash_to_restarted",
        unit="µs",
        ours=crash_to_restarted_us,
        against="a task recreated by a done-callback",
        floor=floors.task_recreated(by_cancelling=False),
        target=Target("ours", "≤", 200),
    ),
    Figure(
        name="actors.kill_to_restarted",
        unit="µs",
        ours=kill_to_restarted_us,
        against="a cancelled task recreated by a done-callback",
        floor=floors.task_recreated(by_cancelling=True),
        target=Target("ours", "≤", 200),
    ),
    *(
        Figure(
            name=f"actors.restart_with_{in_window}_before",
            unit="µs",
            ours=restart_us_with(in_window),
            against="the same with 10 restarts in the window",
            floor=restart_us_with(10),
            target=Target("ratio", "≤", 1.5),
        )
        for in_window in (100, 1_000, 10_000)
    ),
)
