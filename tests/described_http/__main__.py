"""Check the HTTP interface against its own OpenAPI document, with schemathesis.

    python -m tests.described_http --seconds 60 --seed 1

A real service gets requests that fit its document and requests that do not. Ends with 0 if every
answer is one that the document names, has the form that it gives and fits the request, and the log
has no surprise; else with 1.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.described_http.run import described


def main() -> int:
    """Run with the flags given; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.described_http", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=int, default=60, help="of the whole run, about")
    parser.add_argument("--seed", type=int, help="repeats a run; drawn if not given")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory(prefix="described-http-") as folder:
        run = asyncio.run(described(Path(folder), seconds=options.seconds, seed=seed))
    command = f"python -m tests.described_http --seconds {options.seconds} --seed {seed}"
    print("\n".join([run.report, *run.surprises, f"repeat: {command}"]))
    return 1 if run.code or run.surprises else 0


if __name__ == "__main__":
    sys.exit(main())
