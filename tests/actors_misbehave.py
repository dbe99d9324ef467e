"""Runs actors that misbehave in every way we know, beside healthy ones.

    python -m tests.actors_misbehave --seconds 60 --seed 7

Each episode starts a tree of healthy and bad actors. The bad ones raise, return, exit with, store
and receive values whose own methods raise. At its end every call has been answered, the healthy
actors have given the right answers, no supervisor has been restarted, all children run again, no
thread or actor is left, and each log line is JSON. The same seed repeats the same episodes.

    values      odd values and exceptions        deeds      what a bad actor does
    world       the tree, and the checks
"""

import argparse
import secrets
import sys
import time
from collections import Counter
from random import Random

from tests.misbehaviour.deeds import DEEDS
from tests.misbehaviour.world import play


def run(seed: int, seconds: float, first: int = 0) -> tuple[int, Counter[str]]:
    """Play episodes for this many seconds, at least one; return how many, and the sum of each deed.

    Raises:
        AssertionError: a check has failed; a note says how to repeat the episode.
    """
    until, number, ledger = time.monotonic() + seconds, first, Counter[str]()
    while number == first or time.monotonic() < until:
        random = Random(f"{seed}/{number}")
        deeds = random.choices(sorted(DEEDS), k=random.randint(1, 12))
        try:
            play(random, deeds)
        except BaseException as error:
            again = f"python -m tests.actors_misbehave --seed {seed} --first {number} --seconds 0"
            error.add_note(f"again: {again}\ndeeds: {', '.join(deeds)}")
            raise
        ledger.update(deeds)
        number += 1
    return number - first, ledger


def main(arguments: list[str] | None = None) -> int:
    """Play episodes and print a ledger; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.actors_misbehave", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=10.0, help="for how long (default: 10)")
    parser.add_argument("--seed", type=int, help="repeats a run (default: random)")
    parser.add_argument("--first", type=int, default=0, help="number of the first episode")
    options = parser.parse_args(arguments)

    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    _say(f"seed {seed}")
    episodes, ledger = run(seed, options.seconds, options.first)
    for deed, count in sorted(ledger.items()):
        _say(f"{count:6} {deed}")
    _say(f"{episodes} episodes, {ledger.total()} deeds, no check has failed")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - it is the user interface


if __name__ == "__main__":
    sys.exit(main())
