"""The tables of the peers: figures, ratios, and what `kill -9` costs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.kills import Toll
from benchmarks.results import Series, columns, number

FIGURES: Mapping[str, str] = {
    "enqueue_p50": "ms",
    "enqueue_p99": "ms",
    "enqueue": "/s",
    "bulk": "/s",
    "drain": "/s",
    "latency_p50": "ms",
    "end_to_end": "/s",
}
"""Each with its unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was measured of one peer."""

    name: str
    beside: str | None
    figures: Mapping[str, Series]
    toll: Toll | None = None


def tables(found: Sequence[Found]) -> str:
    """Return all that was found, as text."""
    return "\n\n".join(filter(None, (_figures(found), _ratios(found), _tolls(found))))


def _figures(found: Sequence[Found]) -> str:
    heading = ("median of the rounds", *(f"{name} {unit}" for name, unit in FIGURES.items()))
    lines = [
        (each.name, *(number(each.figures[name].median) for name in FIGURES)) for each in found
    ]
    return columns([heading, *lines])


def _ratios(found: Sequence[Found]) -> str:
    """Divide each counterpart by its peer: above 1 is better for rates, below 1 for times."""
    by_name = {each.name: each for each in found}
    lines = [
        (f"{each.beside} / {each.name}", *(f"{ratio:.2f}" for ratio in _of(by_name, each)))
        for each in found
        if each.beside in by_name
    ]
    return columns([("ours / theirs", *FIGURES), *lines]) if lines else ""


def _of(by_name: Mapping[str, Found], theirs: Found) -> list[float]:
    assert theirs.beside is not None
    ours = by_name[theirs.beside]
    return [ours.figures[name].per_round_of(theirs.figures[name]).median for name in FIGURES]


def _tolls(found: Sequence[Found]) -> str:
    lines = [
        (
            each.name,
            str(each.toll.tasks),
            str(each.toll.lost),
            str(each.toll.doubled),
            "keeps no account" if each.toll.unwritten is None else str(each.toll.unwritten),
        )
        for each in found
        if each.toll is not None
    ]
    heading = ("kill -9, five times", "tasks", "lost", "doubled", "ran, but not written")
    return columns([heading, *lines]) if lines else ""


def as_json(each: Found) -> dict[str, Any]:
    """Return all of one peer, the single rounds too."""
    toll = each.toll
    return {
        "name": each.name,
        "beside": each.beside,
        "figures": {name: list(series.rounds) for name, series in each.figures.items()},
        "kills": None
        if toll is None
        else {
            "tasks": toll.tasks,
            "lost": toll.lost,
            "doubled": toll.doubled,
            "unwritten": toll.unwritten,
        },
    }
