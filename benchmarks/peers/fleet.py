"""The command that measures nodes on PostgreSQL: `python -m benchmarks fleet`."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from benchmarks.peers.field import BY_NAME
from benchmarks.peers.fleets import fleet_of, lone_of
from benchmarks.peers.measures import measured
from benchmarks.results import Result, Series, Target, table
from benchmarks.switches import natural

OURS, HOT, RAW = "taskqueue-postgres", "taskqueue-hot-key", "raw-skip-locked"
PEERS = ("procrastinate", "pgqueuer", RAW, HOT)

Key: TypeAlias = tuple[str, int, str]
"""A peer, how many workers it had, and what was measured."""

Rounds: TypeAlias = dict[Key, list[float]]


def main(arguments: Sequence[str]) -> None:
    """Measure all of them in turns; print the table."""
    options = _parser().parse_args(arguments)
    present = [name for name in (OURS, *options.peers) if not _is_skipped(name)]
    if OURS not in present:
        sys.exit(1)
    rounds: Rounds = {}
    for number in range(options.rounds):
        print(f"round {number + 1}", file=sys.stderr)
        _measure(rounds, present, options.nodes, options.seconds)
    results = list(_results({key: Series(tuple(found)) for key, found in rounds.items()}))
    print(table(results))
    if options.json is not None:
        options.json.write_text(json.dumps([each.as_json() for each in results], indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks fleet",
        description="Measure 1, 2, 4 and 8 nodes on one PostgreSQL, beside as many other workers.",
    )
    parser.add_argument(
        "--nodes", type=_counts, default=(1, 2, 4, 8), help="how many (default: 1,2,4,8)"
    )
    parser.add_argument(
        "--peers",
        type=_names,
        default=PEERS,
        help=f"beside which, none if empty (default: {','.join(PEERS)})",
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="for each measurement (default: 2)"
    )
    parser.add_argument(
        "--rounds", type=natural, default=5, help="how often all take turns (default: 5)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    return parser


def _counts(text: str) -> tuple[int, ...]:
    return tuple(natural(each) for each in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, text.split(",")))
    if unknown := [name for name in names if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"no {unknown[0]} here; there are {', '.join(PEERS)}")
    return names


def _is_skipped(name: str) -> bool:
    missing = BY_NAME[name].missing
    if missing is not None:
        print(f"skipped {name}: {missing} is missing", file=sys.stderr)
    return missing is not None


def _measure(rounds: Rounds, names: Sequence[str], nodes: Sequence[int], seconds: float) -> None:
    """Add one round of everything."""
    for count in nodes:
        for name in names:
            print(f"measuring {name}, {count}", file=sys.stderr)
            for what, found in measured(name, fleet_of, seconds, workers=count).items():
                rounds.setdefault((name, count, what), []).append(found)
    for name in names:
        if name not in {RAW, HOT}:
            for what, found in measured(name, lone_of, seconds).items():
                rounds.setdefault((name, 1, what), []).append(found)


# --- what they say --------------------------------------------------------------------------------

TARGETS: Mapping[tuple[str, str], Target] = {
    ("end_to_end", "procrastinate"): Target("ratio", "≥", 3),
    ("drain", "pgqueuer"): Target("ratio", "≥", 1),
    ("drain", RAW): Target("ratio", "≥", 0.5),
    ("latency_p50", "procrastinate"): Target("ours", "≤", 10),
}
UNITS: Mapping[str, str] = {"end_to_end": "/s", "drain": "/s", "latency_p50": "ms"}


def _results(found: Mapping[Key, Series]) -> Iterator[Result]:
    """Put each peer beside as many nodes of ours, the hot key beside tasks without limits."""
    for name, count, what in found:
        if name == HOT and what == "drain":
            unlimited = found[OURS, count, what]
            yield _result(f"hot_key_{count}", what, found[name, count, what], unlimited, OURS)
        elif name not in {HOT, OURS}:
            ours, theirs = found[OURS, count, what], found[name, count, what]
            yield _result(f"{what}_{count}", what, ours, theirs, name)
        elif name == OURS and (alone := found.get((OURS, 1, what))) and count > 1:
            yield _result(f"{what}_{count}", what, found[name, count, what], alone, "one node")


def _result(name: str, what: str, ours: Series, floor: Series, against: str) -> Result:
    return Result(
        name=f"fleet.{name}",
        unit=UNITS[what],
        ours=ours,
        against=against,
        floor=floor,
        target=TARGETS.get((what, against)),
    )
