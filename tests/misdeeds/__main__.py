"""Run generated handlers that misbehave in every way we know, beside healthy ones.

    python -m tests.misdeeds --seconds 60 --seed 1
    python -m tests.misdeeds --seconds 60 --kinds verdicts,loops/stop

A real service runs them on the loop, in threads and in processes. Whatever they do costs their own
attempt and nothing else: after each wave the ledger checks the healthy tasks, the outcomes, the
slots, the log and the resources of the process, and after the last wave the stop. A failure is
shrunk to the smallest mixture that still fails. The exit code is 1 if anything has failed.
"""

import argparse
import asyncio
import random
import signal
import sys

from tests.misdeeds.plan import chosen
from tests.misdeeds.processes import adopt_orphans
from tests.misdeeds.report import described, report
from tests.misdeeds.run import SHRINK_S, Failure, run

INTERRUPTED = 130  # 128 + SIGINT, as in a shell


def main() -> int:
    """Run with the flags given; return the exit code."""
    options = _parser().parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    adopt_orphans()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    words = [word for word in options.kinds.split(",") if word]
    only = f" --kinds {options.kinds}" if words else ""
    command = f"python -m tests.misdeeds --seconds {options.seconds:g} --seed {seed}{only}"
    print(command, flush=True)
    try:
        kinds = chosen(words)
        ran = asyncio.run(
            run(
                kinds,
                seconds=options.seconds,
                seed=seed,
                on_failure=_say,
                shrink_s=options.shrink_s,
            )
        )
    except ValueError as error:
        print(error)
        return 2
    except KeyboardInterrupt:
        print("interrupted")
        return INTERRUPTED
    print(f"\n{report(ran)}\n\nrepeat: {command}")
    return 1 if ran.failures else 0


def _say(failure: Failure) -> None:
    print(described(failure), flush=True)


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m tests.misdeeds", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="when to start no further service"
    )
    parser.add_argument("--seed", type=int, help="repeats a run (default: random)")
    parser.add_argument("--kinds", default="", help="families or kinds, comma-separated")
    parser.add_argument(
        "--shrink-s", type=float, default=SHRINK_S, help="limit for shrinking each failure"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
