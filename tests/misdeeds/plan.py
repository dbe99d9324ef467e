"""The plan of one life of the service: waves of generated handlers, drawn from a seed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from textwrap import indent

from tests.misdeeds.around import AROUND
from tests.misdeeds.deeds import DEEDS
from tests.misdeeds.ends import ENDS
from tests.misdeeds.kinds import Form, Kind
from tests.misdeeds.values import VALUES

KINDS: Mapping[str, Kind] = {**ENDS, **VALUES, **DEEDS, **AROUND}
FAMILIES = tuple(dict.fromkeys(kind.family for kind in KINDS.values()))

WAVES = 5  # in one life
MOST_HANDLERS = 10  # in one wave
MOST_DEEDS = 3  # of one handler, before its end
TIMED = 0.2  # share of the handlers that have a time limit
REPEATED = 0.15  # share of the lives that repeat one handler, to find what it leaks
REPETITIONS = 30  # in one wave
SURROUNDED = 0.3  # share of the lives whose app has middleware and hooks
DOWN = 0.15  # share of the waves in which one handler may crash its consumer

IMPORTS = """\
import asyncio, builtins, collections, concurrent.futures, contextlib, contextvars, ctypes
import dataclasses, datetime, decimal, enum, fractions, functools, gc, io, itertools, json, logging
import multiprocessing, os, pathlib, random, signal, socket, subprocess, sys, threading, time, types
import warnings
import msgspec, structlog
from taskqueue import Cancel, Reject, Retry, Snooze
from time import sleep as pause
from asyncio import sleep as pause_async
"""


@dataclass(frozen=True, kw_only=True)
class Misdeed:
    """One generated handler: where it runs, and the kinds that it is made of, in order."""

    form: Form
    kinds: tuple[str, ...]
    timed: bool = False  # whether it has a time limit

    @property
    def takes_down(self) -> bool:
        """Whether it may crash its consumer, as documented."""
        # A handler in a process can crash that process at most.
        return not self.form.in_process and any(KINDS[name].takes_down for name in self.kinds)

    @property
    def may_crash(self) -> bool:
        """Whether its attempts may end as crashed, as documented."""
        kinds = [KINDS[name] for name in self.kinds]
        return any(kind.takes_down or kind.family == "deaths" for kind in kinds)

    @property
    def harmless(self) -> bool:
        """Whether its task must complete."""
        return all(KINDS[name].harmless for name in self.kinds)

    @property
    def source(self) -> str:
        """The source of a module that defines the handler."""
        keyword = "async def" if self.form.is_async else "def"
        parts = [f"# {name}\n{KINDS[name].code}" for name in self.kinds]
        return f"{IMPORTS}\n{keyword} handler(ctx):\n{indent(chr(10).join(parts), '    ')}\n"


Wave = tuple[Misdeed, ...]
Plan = tuple[Wave, ...]


def chosen(words: Sequence[str]) -> Sequence[Kind]:
    """Return the kinds that match any of these words; all kinds if there are no words.

    A word is a family or the beginning of a kind's name.

    Raises:
        ValueError: a word matches no kind.
    """
    for word in words:
        if not any(_named(kind, word) for kind in KINDS.values()):
            raise ValueError(f"no kind {word!r}; there are {', '.join(FAMILIES)}")
    return [
        kind for kind in KINDS.values() if not words or any(_named(kind, word) for word in words)
    ]


def _named(kind: Kind, word: str) -> bool:
    return kind.family == word or kind.name.startswith(word)


def drawn(draw: random.Random, kinds: Sequence[Kind]) -> Plan:
    """Return a plan whose handlers are made of these kinds."""
    plain = [kind for kind in kinds if kind.name not in AROUND]
    if plain and draw.random() >= SURROUNDED:
        kinds = plain
    if draw.random() < REPEATED:
        return _repeated(draw, kinds)
    return tuple(_wave(draw, kinds) for _ in range(WAVES))


def _repeated(draw: random.Random, kinds: Sequence[Kind]) -> Plan:
    mild = [kind for kind in kinds if not kind.takes_down]
    return (((_misdeed(draw, mild),) * REPETITIONS,) * WAVES) if mild else ()


def _wave(draw: random.Random, kinds: Sequence[Kind]) -> Wave:
    mild = [kind for kind in kinds if not kind.takes_down]
    wave = [_misdeed(draw, mild) for _ in range(draw.randint(1, MOST_HANDLERS)) if mild]
    # At most one: more would exceed the restart intensity of the consumers' supervisor.
    if len(mild) < len(kinds) and (not mild or draw.random() < DOWN):
        wave.append(_misdeed(draw, kinds, [kind for kind in kinds if kind.takes_down]))
    return tuple(wave)


def _misdeed(
    draw: random.Random, kinds: Sequence[Kind], first: Sequence[Kind] | None = None
) -> Misdeed:
    kind = _one_of(draw, first or kinds)
    form = draw.choice(sorted(kind.forms))
    fitting = [each for each in kinds if form in each.forms and not each.takes_down]
    deeds = [each for each in fitting if not each.ends]
    ends = [each for each in fitting if each.ends]
    others = [_one_of(draw, deeds) for _ in range(draw.randint(0, MOST_DEEDS - 1)) if deeds]
    if not kind.ends:
        draw.shuffle(others := [*others, kind])
    end = kind if kind.ends else _one_of(draw, ends) if ends and draw.random() < 0.7 else None
    names = [each.name for each in (*others, end) if each is not None]
    # A thread cannot be interrupted, so it cannot have a time limit.
    timed = form is not Form.THREAD and draw.random() < TIMED
    return Misdeed(form=form, kinds=tuple(names), timed=timed)


def _one_of(draw: random.Random, kinds: Sequence[Kind]) -> Kind:
    """Draw a family, then one of its kinds, because some families have many more kinds."""
    family = draw.choice(sorted({kind.family for kind in kinds}))
    return draw.choice([kind for kind in kinds if kind.family == family])


def smaller(plan: Plan) -> Iterator[Plan]:
    """Yield smaller plans, the smallest first."""
    yield from _fewer(plan)
    for at, wave in enumerate(plan):
        for fewer in _fewer(wave):
            yield (*plan[:at], fewer, *plan[at + 1 :])
    for at, wave in enumerate(plan):
        for index, misdeed in enumerate(wave):
            for less in _lesser(misdeed):
                changed = (*wave[:index], less, *wave[index + 1 :])
                yield (*plan[:at], changed, *plan[at + 1 :])


def _fewer(items: tuple) -> Iterator[tuple]:  # type: ignore[type-arg]
    """Yield halves, then all but one."""
    if len(items) > 3:
        middle = len(items) // 2
        yield items[middle:]
        yield items[:middle]
    if len(items) > 1:
        for index in range(len(items)):
            yield items[:index] + items[index + 1 :]


def _lesser(misdeed: Misdeed) -> Iterator[Misdeed]:
    if misdeed.timed:
        yield replace(misdeed, timed=False)
    if len(misdeed.kinds) > 1:
        for index in range(len(misdeed.kinds)):
            kinds = misdeed.kinds[:index] + misdeed.kinds[index + 1 :]
            yield replace(misdeed, kinds=kinds)


def is_repeated(plan: Plan) -> bool:
    """Tell whether a plan repeats one handler."""
    misdeeds = misdeeds_of(plan)
    return len(misdeeds) >= WAVES * REPETITIONS and len(set(misdeeds)) == 1


def is_surrounded(plan: Plan) -> bool:
    """Tell whether the app of a plan needs middleware and hooks."""
    return any(name in AROUND for misdeed in misdeeds_of(plan) for name in misdeed.kinds)


def misdeeds_of(plan: Plan) -> Sequence[Misdeed]:
    """Return all misdeeds of a plan."""
    return list(chain.from_iterable(plan))
