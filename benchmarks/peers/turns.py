"""The command that measures peers: `python -m benchmarks peers`."""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.peers.field import BY_NAME, ENTRANTS, Entrant
from benchmarks.peers.kills import Toll, killed
from benchmarks.peers.measures import Measured, measured, round_of
from benchmarks.peers.report import FIGURES, Found, as_json, tables
from benchmarks.results import Series
from benchmarks.switches import natural

T = TypeVar("T")


def main(arguments: Sequence[str]) -> None:
    """Measure who was asked for, in turns; print the tables."""
    options = _parser().parse_args(arguments)
    present = [each for each in _chosen(options.names) if not _is_skipped(each)]
    rounds: dict[str, list[dict[str, float]]] = {each.name: [] for each in present}
    for number in range(options.rounds):
        for each in tuple(present):
            print(f"round {number + 1}: {each.name}", file=sys.stderr)
            if (figures := _measured(each, round_of, options.seconds)) is None:
                present.remove(each)
            else:
                rounds[each.name].append(figures)
    tolls = {} if options.no_kills else {each.name: _toll(each, options) for each in present}
    found = [_found(each, rounds[each.name], tolls.get(each.name)) for each in present]
    print(tables(found))
    if options.json is not None:
        options.json.write_text(json.dumps([*map(as_json, found)], indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    names = [entrant.name for entrant in ENTRANTS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks peers",
        description="Measure taskqueue beside other task queues, in the same run.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, or of: {', '.join(names)}")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="for each measurement (default: 1)"
    )
    parser.add_argument(
        "--rounds", type=natural, default=5, help="how often all take turns (default: 5)"
    )
    parser.add_argument("--no-kills", action="store_true", help="do not kill workers at the end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    return parser


def _chosen(names: Sequence[str]) -> list[Entrant]:
    if unknown := [name for name in names if name not in BY_NAME]:
        known = ", ".join(entrant.name for entrant in ENTRANTS)
        sys.exit(f"benchmarks: no peer is called {unknown[0]}; there are {known}")
    return [BY_NAME[name] for name in names] if names else list(ENTRANTS)


def _is_skipped(entrant: Entrant) -> bool:
    if entrant.missing is not None:
        print(f"skipped {entrant.name}: {entrant.missing} is missing", file=sys.stderr)
    return entrant.missing is not None


def _toll(entrant: Entrant, options: argparse.Namespace) -> Toll | None:
    print(f"kill -9: {entrant.name}", file=sys.stderr)
    return _measured(entrant, killed, options.seconds)


def _measured(entrant: Entrant, measure: Measured[T], seconds: float) -> T | None:
    """Measure one peer; None if that fails, which says why and does not end the run."""
    try:
        return measured(entrant.name, measure, seconds)
    except subprocess.CalledProcessError:
        print(f"failed {entrant.name}: left out, see above", file=sys.stderr)
        return None


def _found(entrant: Entrant, rounds: Sequence[dict[str, float]], toll: Toll | None) -> Found:
    figures = {name: Series(tuple(each[name] for each in rounds)) for name in FIGURES}
    return Found(name=entrant.name, beside=entrant.beside, figures=figures, toll=toll)
