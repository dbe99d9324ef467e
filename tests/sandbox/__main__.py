"""Attack the queue with the SQL of handlers, for sceptics.

    python -m tests.sandbox --seconds 60 --seed 1

Statements of a grammar (DDL, virtual tables, functions, pragmas, hogs, mutants of all these) are
settled and run dry beside tasks that do no harm. Ends with 0 if the queue's tables and the other
tasks are as they ought to be and no insert had to wait for long; else with 1, and names the
statements.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.sandbox.attack import Found, attack


def report(found: Found) -> str:
    """Return the ledger of a run."""
    answers = ", ".join(f"{count} {what}" for what, count in found.answers.most_common())
    refusals = "\n".join(f"  {count:6} {what}" for what, count in found.refusals.most_common(25))
    return (
        f"hostile: {answers}\n{refusals}\n"
        f"others: {found.entries} with statements, {len(found.ended)} tasks in all\n"
        f"longest wait of a commit: {found.longest_stall_s:.2f} s of {found.bound_s:.2f} s"
        f" (lag {found.longest_lag_s:.2f} s, sync {found.longest_sync_s:.2f} s)\n"
        + ("\n".join(f"VIOLATED: {each}" for each in found.violations) or "every promise was kept")
    )


def _say(what: str) -> None:
    print(what, flush=True)  # noqa: T201 - it is the user interface


def main() -> int:
    """Run with the flags given; return the exit code."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="repeats a run; default: random")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    _say(f"python -m tests.sandbox --seconds {options.seconds:g} --seed {seed}")
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        found = asyncio.run(attack(Path(folder), seconds=options.seconds, seed=seed))
    _say(report(found))
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main())
