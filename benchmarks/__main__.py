"""The command line of the benchmarks."""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import (
    actors,
    bloat,
    growth,
    http,
    life,
    limits,
    lone,
    page,
    processes,
    service,
    soak,
    streams,
    waiters,
    wakeup,
)
from benchmarks.harness import Figure, measure, silence_logs
from benchmarks.peers import fleet
from benchmarks.peers import turns as peers
from benchmarks.results import Result, columns, table
from benchmarks.switches import natural

AREAS = (
    actors,
    http,
    streams,
    waiters,
    wakeup,
    page,
    life,
    lone,
    limits,
    processes,
    service,
    growth,
    bloat,
    soak,
)
# What has switches and tables of its own.
COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {"peers": peers.main, "fleet": fleet.main}

FIGURES: tuple[Figure, ...] = tuple(figure for area in AREAS for figure in area.FIGURES)


def chosen(names: Sequence[str]) -> list[Figure]:
    """Return the figures of these names or areas, all if there are none, in their own order.

    Raises:
        ValueError: a name means nothing; it is the argument.
    """
    for name in names:
        if not any(_is_meant(figure, name) for figure in FIGURES):
            raise ValueError(name)
    return [each for each in FIGURES if not names or any(_is_meant(each, n) for n in names)]


def _is_meant(figure: Figure, name: str) -> bool:
    return figure.name == name or figure.name.startswith(f"{name}.")


def main() -> None:
    """Measure what was asked for; print the table."""
    if (command := COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else "")) is not None:
        command(sys.argv[2:])
        return
    parser = _parser()
    options = parser.parse_args()
    try:
        figures = chosen(options.names)
    except ValueError as unknown:
        parser.error(f"no figure or area is called {unknown}; see --list")
    if options.list:
        print(columns([_about(figure) for figure in figures]))
        return
    silence_logs()
    growth.FILES.many = options.rows
    bloat.SERVERS.many = options.waiting
    results = []
    for figure in figures:
        if figure.missing is not None:
            print(f"left out {figure.name}: {figure.missing} is missing", file=sys.stderr)
            continue
        print(f"measuring {figure.name}", file=sys.stderr)
        results.append(measure(figure, seconds=options.seconds, rounds=options.rounds))
    print(table(results))
    if options.json is not None:
        options.json.write_text(json.dumps(_report(results, options), indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure each figure beside its floor.",
        epilog="Other commands: `peers` and `fleet`, each with its own --help.",
    )
    parser.add_argument("names", nargs="*", help="figures or areas; all if none is given")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="for each measurement (default: 0.5)"
    )
    parser.add_argument(
        "--rounds",
        type=natural,
        default=5,
        help="how often ours and the floor take turns (default: 5)",
    )
    parser.add_argument(
        "--rows",
        type=natural,
        default=growth.MANY,
        help=f"tasks in the large file of the area growth (default: {growth.MANY:,})",
    )
    parser.add_argument(
        "--waiting",
        type=natural,
        default=bloat.MANY,
        help=f"tasks that wait in the large database of the area bloat (default: {bloat.MANY:,})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    parser.add_argument("--list", action="store_true", help="show what there is; measure nothing")
    return parser


def _about(figure: Figure) -> tuple[str, ...]:
    target = "no target" if figure.target is None else str(figure.target)
    return (figure.name, figure.unit, target, figure.against)


def _report(results: Sequence[Result], options: argparse.Namespace) -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "seconds": options.seconds,
        "rounds": options.rounds,
        "rows": options.rows,
        "figures": [result.as_json() for result in results],
    }


if __name__ == "__main__":
    main()
