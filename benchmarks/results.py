"""What a benchmark found: medians, spreads, ratios and the table of them. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, assert_never


@dataclass(frozen=True, slots=True)
class Series:
    """The same thing measured once in each round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one, which a disturbed round does not move far."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """How far the largest and the smallest lie apart, as a part of the median.

        >>> Series((90.0, 100.0, 140.0)).spread
        0.5
        """
        return (max(self.rounds) - min(self.rounds)) / self.median

    def per_round_of(self, other: "Series") -> "Series":
        """Divide each round by the same round of `other`.

        What slowed one round slowed both halves of it, so these vary less than the rounds do.

        >>> Series((50.0, 20.0)).per_round_of(Series((100.0, 40.0))).rounds
        (0.5, 0.5)
        """
        pairs = zip(self.rounds, other.rounds, strict=True)
        return Series(tuple(mine / others for mine, others in pairs))

    def per_round_less(self, other: "Series") -> "Series":
        """Take the same round of `other` away from each round.

        >>> Series((50.0, 20.0)).per_round_less(Series((10.0, 5.0))).rounds
        (40.0, 15.0)
        """
        pairs = zip(self.rounds, other.rounds, strict=True)
        return Series(tuple(mine - others for mine, others in pairs))


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on the ratio, on our own median, or on the difference: ours less the floor."""

    of: Literal["ratio", "ours", "difference"]
    bound: Literal["≥", "≤"]
    limit: float

    def is_met(self, value: float) -> bool:
        """Tell whether `value` keeps to the bound; the limit itself does."""
        match self.bound:
            case "≥":
                return value >= self.limit
            case "≤":
                return value <= self.limit
            case never:
                assert_never(never)

    def __str__(self) -> str:
        """Return it as the table shows it."""
        return f"{self.of} {self.bound} {self.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure as it was measured beside its floor."""

    name: str
    unit: str
    against: str
    ours: Series
    floor: Series
    target: Target | None

    @property
    def ratio(self) -> float:
        """Ours to the floor: the median over the rounds."""
        return self.ours.per_round_of(self.floor).median

    @property
    def difference(self) -> float:
        """Ours less the floor: the median over the rounds, in the figure's unit."""
        return self.ours.per_round_less(self.floor).median

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        if self.target is None:
            return None
        match self.target.of:
            case "ratio":
                return self.target.is_met(self.ratio)
            case "difference":
                return self.target.is_met(self.difference)
            case "ours":
                return self.target.is_met(self.ours.median)
            case never:
                assert_never(never)

    def as_json(self) -> dict[str, Any]:
        """Return all of it, the single rounds too."""
        return {
            "name": self.name,
            "unit": self.unit,
            "against": self.against,
            "ours": _series_as_json(self.ours),
            "floor": _series_as_json(self.floor),
            "ratio": self.ratio,
            "difference": self.difference,
            "target": None if self.target is None else str(self.target),
            "met": self.met,
        }


def _series_as_json(series: Series) -> dict[str, Any]:
    return {"median": series.median, "spread": series.spread, "rounds": list(series.rounds)}


HEADINGS = ("name", "unit", "ours", "±", "floor", "±", "ratio", "target", "met", "floor is")


def table(results: Sequence[Result]) -> str:
    """Return one line for each result, in columns."""
    return columns([HEADINGS, *(_cells(result) for result in results)])


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Align cells below each other: what starts with a digit to the right, words to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(cells, widths) for cells in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = (_aligned(cell, width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(aligned).rstrip()


def _aligned(cell: str, width: int) -> str:
    return cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width)


def _cells(result: Result) -> tuple[str, ...]:
    return (
        result.name,
        result.unit,
        number(result.ours.median),
        f"{result.ours.spread:.0%}",
        number(result.floor.median),
        f"{result.floor.spread:.0%}",
        f"{result.ratio:.2f}",
        "" if result.target is None else str(result.target),
        {True: "yes", False: "NO", None: ""}[result.met],
        result.against,
    )


def number(value: float) -> str:
    """Return three digits that mean something.

    >>> number(123_456.7), number(12.345), number(0.5)
    ('123,000', '12.3', '0.5')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"
