"""Replay scenarios recorded from Erlang/OTP, and compare what happens here with what did there.

    python -m tests.otp.replay tests/otp/traces.jsonl [--only TAG] [--verbose]

Each line of the file is a scenario and its trace. Everything is compared: results, events, orphans,
reports and the final tree. The exit code is 1 if anything differs. Time is virtual, so a scenario
gives the same trace on every machine.

The scenario's processes are actors, its supervisors our own, driven through the public API:

    scenario      builds the tree and keeps the log      processes     what is in the tree
    driver        does the actions                       canonical     notation and order
    report        shows what differs                     virtual_time  the loop
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.otp import driver
from tests.otp.canonical import Json
from tests.otp.report import Difference, differences
from tests.otp.virtual_time import Stuck, VirtualTimeLoop


def replay(case: Json) -> list[Difference]:
    """Run one scenario; return how it differs from its trace."""
    scenario, expected = case["scenario"], case["trace"]
    try:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            got = runner.run(driver.run(scenario))
    except Stuck as stuck:
        return [Difference("the run", "an end", str(stuck))]
    return list(differences(scenario, expected, got))


def cases(path: Path, tag: str | None) -> Iterator[Json]:
    """Return the scenarios of a file, or those of one tag."""
    with path.open() as lines:
        for line in lines:
            case = json.loads(line)
            if tag is None or tag in case["scenario"]["tags"]:
                yield case


def main(arguments: list[str] | None = None) -> int:
    """Replay a file; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.otp.replay", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--only", metavar="TAG", help="replay the scenarios of this tag")
    parser.add_argument("--verbose", action="store_true", help="name those that match, too")
    options = parser.parse_args(arguments)

    matched = differed = 0
    for case in cases(options.file, options.only):
        found = replay(case)
        matched, differed = matched + (not found), differed + bool(found)
        if found or options.verbose:
            _show(case["scenario"], found)
    _say(f"{matched + differed} scenarios: {matched} matched, {differed} differed")
    return 1 if differed else 0


def _show(scenario: Json, found: list[Difference]) -> None:
    verdict = "differs" if found else "matches"
    _say(f"{scenario['name']} [{', '.join(scenario['tags'])}] {verdict}")
    for difference in found:
        _say(*difference.lines())


def _say(*lines: str) -> None:
    print(*lines, sep="\n")  # noqa: T201 - it is the user interface


if __name__ == "__main__":
    sys.exit(main())
