"""Attack the HTTP interface, for sceptics: hostile clients cost others little, and not for long.

    python -m tests.hostile_http --seconds 60 --seed 1

A real service is fuzzed, starved of connections, fed slowly, read slowly and aborted, while a
well-behaved client posts tasks beside that. Ends with 0 if no answer is a 5xx other than 503, every
refusal is a problem, the log has no traceback and no secret, the client's p99 is at most ten times
what it is without attacks, and memory is back within ten seconds; else with 1.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.hostile_http.attacks import KINDS
from tests.hostile_http.report import report
from tests.hostile_http.run import hostile


def main() -> int:
    """Run with the flags given; return the exit code."""
    options = _parser().parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    kinds = options.only or [*KINDS]
    command = f"python -m tests.hostile_http --seconds {options.seconds:g} --seed {seed}"
    command += "".join(f" --only {kind}" for kind in options.only or ())
    print(command, flush=True)
    with tempfile.TemporaryDirectory(prefix="hostile-http-") as folder:
        run = asyncio.run(
            hostile(
                Path(folder),
                seconds=options.seconds,
                seed=seed,
                kinds=kinds,
                say=lambda what: print(f"  {what}", flush=True),
            )
        )
    print(f"\n{report(run)}\n\nrepeat: {command}")
    return 1 if run.violations else 0


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m tests.hostile_http", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=60.0, help="of the whole run, about")
    parser.add_argument("--seed", type=int, help="repeats what a run sent; drawn if not given")
    parser.add_argument("--only", action="append", choices=KINDS, help="this kind; repeatable")
    return parser


if __name__ == "__main__":
    sys.exit(main())
