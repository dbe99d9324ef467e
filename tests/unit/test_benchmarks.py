"""The benchmarks' arithmetic: medians, spreads, ratios, targets and the table of them."""

import doctest

import pytest

from benchmarks import results
from benchmarks.__main__ import FIGURES, chosen
from benchmarks.harness import Figure, measure
from benchmarks.results import Result, Series, Target, table


def result(
    name: str = "area.what",
    *,
    ours: tuple[float, ...] = (50.0, 60.0, 70.0),
    floor: tuple[float, ...] = (100.0, 100.0, 100.0),
    target: Target | None = None,
) -> Result:
    return Result(
        name=name,
        unit="/s",
        against="a bare queue",
        ours=Series(ours),
        floor=Series(floor),
        target=target,
    )


def test_the_median_ignores_one_disturbed_round() -> None:
    disturbed = Series((10.0, 11.0, 12.0, 11.0, 900.0))

    assert disturbed.median == 11.0


def test_the_spread_tells_of_the_disturbed_round() -> None:
    assert Series((10.0, 10.0, 15.0)).spread == pytest.approx(0.5)
    assert Series((10.0, 10.0, 10.0)).spread == 0.0
    assert Series((10.0,)).spread == 0.0


def test_the_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    # The machine slowed down threefold from one round to the next, and both sides with it.
    found = result(ours=(90.0, 30.0, 10.0), floor=(120.0, 40.0, 10.0))

    assert found.ours.per_round_of(found.floor).rounds == pytest.approx((0.75, 0.75, 1.0))
    assert found.ratio == pytest.approx(0.75)


def test_a_bound_on_the_difference_is_held_by_the_median_of_each_rounds_difference() -> None:
    found = result(
        ours=(3.5, 9.0, 1.5), floor=(3.0, 8.0, 1.2), target=Target("difference", "≤", 0.5)
    )

    assert found.difference == pytest.approx(0.5)
    assert found.met
    assert not result(target=Target("difference", "≤", -50)).met


def test_rounds_that_do_not_belong_together_have_no_ratio() -> None:
    with pytest.raises(ValueError, match="zip"):
        Series((1.0, 2.0)).per_round_of(Series((1.0,)))


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (None, None),
        (Target("ratio", "≥", 0.6), True),
        (Target("ratio", "≥", 0.61), False),
        (Target("ratio", "≤", 0.6), True),
        (Target("ratio", "≤", 0.59), False),
        (Target("ours", "≤", 60), True),
        (Target("ours", "≤", 59), False),
    ],
)
def test_a_target_is_met_at_its_limit_and_not_beyond(
    target: Target | None, met: bool | None
) -> None:
    assert result(target=target).met is met


def test_the_table_shows_each_figure_beside_its_floor() -> None:
    reached = result(
        "area.good",
        ours=(91_000.0, 100_000.0, 109_000.0),
        floor=(200_000.0, 200_000.0, 200_000.0),
        target=Target("ratio", "≥", 0.4),
    )
    missed = result("area.bad", target=Target("ours", "≤", 8))

    assert table([reached, missed, result("area.free")]).splitlines() == [
        "name       unit  ours     ±    floor    ±   ratio  target       met  floor is",
        "area.good  /s    100,000  18%  200,000  0%   0.50  ratio ≥ 0.4  yes  a bare queue",
        "area.bad   /s         60  33%      100  0%   0.60  ours ≤ 8     NO   a bare queue",
        "area.free  /s         60  33%      100  0%   0.60                    a bare queue",
    ]


def test_json_keeps_every_round() -> None:
    found = result(target=Target("ratio", "≥", 0.6)).as_json()

    assert found == {
        "name": "area.what",
        "unit": "/s",
        "against": "a bare queue",
        "ours": {"median": 60.0, "spread": 20 / 60, "rounds": [50.0, 60.0, 70.0]},
        "floor": {"median": 100.0, "spread": 0.0, "rounds": [100.0, 100.0, 100.0]},
        "ratio": 0.6,
        "difference": -40.0,
        "target": "ratio ≥ 0.6",
        "met": True,
    }


def test_ours_and_the_floor_take_turns() -> None:
    turns: list[tuple[str, float]] = []

    def measured(who: str, number: float) -> float:
        turns.append((who, number))
        return float(len(turns))

    figure = Figure(
        name="area.turns",
        unit="/s",
        ours=lambda seconds: measured("ours", seconds),
        against="another",
        floor=lambda seconds: measured("floor", seconds),
    )

    found = measure(figure, seconds=0.25, rounds=2)

    assert turns == [("ours", 0.25), ("floor", 0.25)] * 2
    assert (found.ours.rounds, found.floor.rounds) == ((1.0, 3.0), (2.0, 4.0))


def test_an_area_means_all_of_its_figures_and_nothing_else() -> None:
    whole_area = chosen(["actors"])

    assert whole_area == [figure for figure in FIGURES if figure.name.startswith("actors.")]
    assert chosen([]) == list(FIGURES)
    assert [figure.name for figure in chosen(["actors.memory", "actors.ask"])] == [
        "actors.ask",
        "actors.memory",
    ]


def test_a_name_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        chosen(["actors.ask", "nonsense"])


def test_no_two_figures_share_a_name() -> None:
    names = [figure.name for figure in FIGURES]

    assert len(set(names)) == len(names)


def test_the_docstrings_tell_the_truth() -> None:
    found = doctest.testmod(results)

    assert found.attempted > 0
    assert found.failed == 0
