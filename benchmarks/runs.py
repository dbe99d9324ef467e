"""Runs that several figures are read off: a figure's n-th round is read off the n-th run."""

import itertools
from collections.abc import Callable
from typing import Generic, TypeVar

from benchmarks.harness import Measure

R = TypeVar("R")


class Runs(Generic[R]):
    """The runs of one call of the benchmarks, made when the first figure asks for them."""

    def __init__(self, run: Callable[[float], R]) -> None:
        """Make it; `run` takes the seconds that it may spend."""
        self._run = run
        self._found: list[R] = []

    def read(self, value: Callable[[R], float]) -> Measure:
        """Return the measure whose n-th round is read off the n-th run."""
        rounds = itertools.count()

        def measured(seconds: float) -> float:
            number = next(rounds)
            while number >= len(self._found):
                self._found.append(self._run(seconds))
            return value(self._found[number])

        return measured
