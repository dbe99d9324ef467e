"""Does harm to services, one thing after the other, at moments drawn from the seed."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol, TypeAlias, TypeVar

S = TypeVar("S")
R = TypeVar("R", bound="Recovering")

# A fault does its harm, undoes it, and says whether there was anything to harm.
Fault: TypeAlias = Callable[[S, random.Random], Awaitable[bool]]

PAUSE_S = (0.1, 1.2)  # between two faults


class Recovering(Protocol):
    """What is harmed."""

    async def ready(self) -> None:
        """Wait until it accepts tasks again."""
        ...


async def harass(
    site: R,
    faults: Mapping[str, Fault[R]],
    draw: random.Random,
    injected: Counter[str],
    on: Callable[[str], None],
    *,
    pause_s: tuple[float, float] = PAUSE_S,
    first: Sequence[str] = (),
) -> None:
    """Do one thing after the other, all kinds equally often, until cancelled.

    Args:
        site: what is harmed.
        faults: how, by name.
        draw: decides what and when.
        injected: counts what was done.
        on: hears what is done now.
        pause_s: the least and the most between two of them.
        first: what is done before all others, so that a short run has it.
    """
    for name in chain(first, _rounds(faults, draw)):
        await asyncio.sleep(draw.uniform(*pause_s))
        on(name)
        injected[name] += await faults[name](site, draw)
        if draw.random() < 0.8:  # else the next one strikes while it starts
            await site.ready()


def _rounds(names: Iterable[str], draw: random.Random) -> Iterator[str]:
    """Yield all of them in an order, then in another one, for ever."""
    among = list(names)
    while True:
        yield from draw.sample(among, len(among))
