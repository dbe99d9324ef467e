"""Cut the power of a service, for sceptics: nothing that was acknowledged may be lost.

    python -m tests.powercut --seconds 60 --seed 1

A real service runs under load while all that its processes write is recorded, and while its disk
fails in one way or another. Then the power is cut at moments of that record: of what was not synced
any part may be missing, and the storage has to start on what is left. Ends with 0 if every image is
sound and knows what clients were told; else with 1, and the images stay where the last line says.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

from tests.disk.shim import compiler
from tests.powercut.run import Outcome, Round, play
from tests.powercut.scenarios import NAMES


def main() -> int:
    """Run with the flags given; return the exit code."""
    options = _parser().parse_args()
    if compiler() is None:
        print("skipped: there is no C compiler (cc) to build the recorder with")
        return 0
    seed = random.randrange(2**32) if options.seed is None else options.seed
    command = f"python -m tests.powercut --seconds {options.seconds:g} --seed {seed}"
    folder = Path(tempfile.mkdtemp(prefix="powercut-"))
    print(f"{command}\nin {folder}", flush=True)
    names = [options.fault] if options.fault else None
    outcomes = asyncio.run(rounds(folder, seconds=options.seconds, seed=seed, names=names))
    violations = [line for outcome in outcomes for line in outcome.violations]
    images = sum(outcome.images for outcome in outcomes)
    print(f"{len(outcomes)} rounds, {images} images, {len(violations)} violations")
    print(f"repeat: {command}")
    if violations:
        print(f"see {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


async def rounds(
    folder: Path, *, seconds: float, seed: int, names: list[str] | None = None
) -> list[Outcome]:
    """Play rounds until the time is over, each fault in its turn."""
    draw, end = random.Random(seed), time.monotonic() + seconds
    outcomes: list[Outcome] = []
    for number, name in enumerate(cycle(names or draw.sample(NAMES, len(NAMES)))):
        if time.monotonic() >= end:
            break
        place = folder / f"round-{number}"
        place.mkdir()
        outcome = await play(place, Round(seed=f"{seed}/{number}", fault=name))
        _say(name, outcome)
        outcomes.append(outcome)
        if not outcome.violations:
            shutil.rmtree(place)
    return outcomes


def _say(name: str, outcome: Outcome) -> None:
    print(
        f"  {name} ({outcome.injected} calls), then {outcome.action}: {outcome.notes} notes, "
        f"{outcome.images} images, {len(outcome.violations)} violations",
        *(f"    {line}" for line in outcome.violations[:5]),
        sep="\n",
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m tests.powercut", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=60.0, help="no round begins afterwards")
    parser.add_argument("--seed", type=int, help="repeats what a run did; drawn if not given")
    parser.add_argument("--fault", choices=NAMES, help="only this one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
