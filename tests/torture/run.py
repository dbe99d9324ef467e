"""One run: load and faults, then calm, then the ledger."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from taskqueue.verification.books import Books
from taskqueue.verification.calm import CALM_LIMIT_S, calm
from taskqueue.verification.kept import GAVE_UP
from taskqueue.verification.ledger import violations
from taskqueue.verification.load import Load
from tests.torture.attack import Attack


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of a run."""

    seed: int
    took_s: float
    calm_s: float  # from the last fault to the end of the last task
    books: Books
    pauses: int
    impossible: str  # faults that cannot be done here
    violations: Mapping[str, Sequence[str]]
    injected: Mapping[str, int]  # each fault, also those that were not
    lives: int
    gave_up: int
    restarts: int

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not any(self.violations.values())


async def torture(
    attack: Attack, *, seconds: float, seed: int, on: Callable[[str], None] = lambda _: None
) -> Run:
    """Run services under load and do them harm for so many seconds; then compare the books.

    Args:
        attack: which services, and what harm.
        seconds: how long.
        seed: decides what is posted and what harm is done, though not how threads are scheduled.
        on: hears what is done now.
    """
    load = Load(seed, lambda: attack.url, attack.behaviours)
    injected = Counter(dict.fromkeys(attack.faults, 0))
    began_at = time.monotonic()
    async with attack.opened(seed, on):
        async with load.on():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await attack.harass(seed, injected, on)
        calm_from = time.monotonic()
        on("calm")
        # Schedules make up for what they have missed, one slot after the other.
        calm_at = await calm(attack, load, limit_s=CALM_LIMIT_S + seconds)
        calm_s = time.monotonic() - calm_from
        await attack.close()
        books = await attack.books(load.notes, calm_at)
    services = attack.services
    surprises = tuple(each for service in services for each in service.surprises)
    return Run(
        seed=seed,
        took_s=time.monotonic() - began_at,
        calm_s=calm_s,
        books=books,
        pauses=load.pauses,
        impossible=attack.impossible,
        violations={
            **violations(books),
            **attack.violations(),
            "surprises of the service": surprises,
        },
        injected=injected,
        lives=sum(service.ends.total() for service in services),
        gave_up=sum(service.ends[GAVE_UP] for service in services),
        restarts=sum(service.restarts for service in services),
    )
