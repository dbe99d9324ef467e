"""A system, crash-test dummies and supervisors over them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest

from taskqueue.clock import Clock
from taskqueue.runtime import ActorRef, System
from taskqueue.supervision import (
    AutoShutdown,
    ChildSpec,
    ChildType,
    Flags,
    Intensity,
    Strategy,
    Supervisor,
    overview,
)
from taskqueue.testing.actors import CrashTest, Dummy, Journal
from tests.otp.virtual_time import LoopClock, VirtualTimeLoop

IN_VIRTUAL_TIME = ("test_backoff", "test_start_timeout", "test_requires")


def _in_virtual_time(item: pytest.Item) -> bool:
    return item.path.stem in IN_VIRTUAL_TIME


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Let time pass only when nothing else is left to do, where tests are about waiting."""
    return {"loop": VirtualTimeLoop if _in_virtual_time(item) else asyncio.new_event_loop}


class ManualClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def advance(self, seconds: float) -> None:
        self.time += seconds

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Supervised:
    """Makes supervisors and the specifications for them."""

    def __init__(self, system: System, clock: Clock, journal: Journal) -> None:
        self._system = system
        self.clock = clock
        self.journal = journal

    @staticmethod
    def flags(
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        *,
        max_restarts: int = 10,
        period_s: int = 5,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    ) -> Flags:
        intensity = Intensity(max_restarts=max_restarts, period_s=period_s)
        return Flags(strategy=strategy, intensity=intensity, auto_shutdown=auto_shutdown)

    async def by(
        self, *children: ChildSpec, strategy: Strategy = Strategy.ONE_FOR_ONE, **flags: object
    ) -> ActorRef:
        """Start a supervisor called `root`, which lets ten restarts pass unless told otherwise."""
        return await self._system.spawn(
            Supervisor, "root", children, self.flags(strategy, **flags), self.clock
        )

    def below(
        self, name: str, *children: ChildSpec, flags: Flags | None = None, **options: object
    ) -> ChildSpec:
        """Specify a supervisor that is a child."""

        async def start() -> ActorRef:
            return await Supervisor.start_link(
                name, children, flags or self.flags(), clock=self.clock
            )

        return ChildSpec(id=name, start=start, type=ChildType.SUPERVISOR, **options)

    @staticmethod
    async def statuses(supervisor: ActorRef) -> dict[str, str]:
        """Return where its children stand, in start order, after what it has been told before."""
        return {each.id: str(each.status) for each in (await overview(supervisor)).children}


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with System(kill_grace_s=0.05) as system:
        yield system


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Clock:
    return LoopClock() if _in_virtual_time(request.node) else ManualClock()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def dummy(journal: Journal, system: System) -> Iterator[Callable[..., Dummy]]:
    dummies: list[Dummy] = []

    def make(name: str, kind: type[CrashTest] = CrashTest) -> Dummy:
        dummies.append(Dummy(name, journal, kind))
        return dummies[-1]

    yield make
    for each in dummies:
        each.release()


@pytest.fixture
def abc(dummy: Callable[..., Dummy]) -> tuple[Dummy, Dummy, Dummy]:
    return dummy("a"), dummy("b"), dummy("c")


@pytest.fixture
def supervised(system: System, clock: Clock, journal: Journal) -> Supervised:
    return Supervised(system, clock, journal)
