"""Torture the service, for sceptics: everything is done to it, and nothing may be lost.

    python -m tests.torture --seconds 60 --seed 1

A real service runs under load over HTTP while it is killed, stopped, frozen, cut from its disk and
locked out of its database, also while it makes it; so is the process that commits for it, and the
disk hesitates and fails. Then everybody may rest, and the ledger compares what clients were told
with what the database says and with what handlers did. Ends with 0 if every promise was kept; else
with 1, and the database and the logs stay where the last line says.
"""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from taskqueue.verification.site import NeverReady
from tests.torture.report import report
from tests.torture.run import torture

INTERRUPTED = 130  # as a shell tells SIGINT


def main() -> int:
    """Run with the flags given; return the exit code."""
    options = _parser().parse_args()
    # A shell lets what it starts in the background ignore SIGINT; here that is how a run is ended.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    seed = random.randrange(2**32) if options.seed is None else options.seed
    command = f"python -m tests.torture --seconds {options.seconds:g} --seed {seed}"
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    print(f"{command}\nin {folder}", flush=True)
    try:
        run = asyncio.run(torture(folder, seconds=options.seconds, seed=seed, on=_say))
    except KeyboardInterrupt:
        print(f"interrupted; see {folder}")
        return INTERRUPTED
    except NeverReady as error:
        print(error)
        return 1
    print(f"\n{report(run)}\n\nrepeat: {command}")
    if not run.passed:
        print(f"broken promises; see {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _say(what: str) -> None:
    print(f"  {what}", flush=True)


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=60.0, help="of load and faults")
    parser.add_argument("--seed", type=int, help="repeats what a run did; drawn if not given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
