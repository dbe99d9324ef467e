"""The benchmarks of peers: the ledger, what a kill costs, and the tables."""

import doctest
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.peers import kills, ledger, report, turns
from benchmarks.peers.field import BY_NAME, ENTRANTS
from benchmarks.peers.kills import Toll
from benchmarks.peers.ledger import Ledger
from benchmarks.peers.report import FIGURES, Found, tables
from benchmarks.results import Series


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger of this process."""
    monkeypatch.setenv("BENCHMARK_LEDGER", "")  # given back at the end
    ledger._file.cache_clear()
    return Ledger(tmp_path / "ledger")


def found(name: str, value: float, *, beside: str | None = None, toll: Toll | None = None) -> Found:
    figures = {figure: Series((value, value)) for figure in FIGURES}
    return Found(name=name, beside=beside, figures=figures, toll=toll)


async def test_the_ledger_knows_what_ran_in_which_order_and_where(book: Ledger) -> None:
    for number in (3, 1, 3):
        ledger.note(number)

    await book.reaches(3)

    assert [record.number for record in book.records()] == [3, 1, 3]
    assert [record.number for record in book.records(since=2)] == [3]
    assert {record.process for record in book.records()} == {os.getpid()}
    times = [record.at_s for record in book.records()]
    assert times == sorted(times)


async def test_a_ledger_in_which_nothing_happens_says_so(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "STALLED_S", 0.0)
    ledger.note(1)

    with pytest.raises(ledger.Stalled, match="1 of 2 tasks have run"):
        await book.reaches(2)


def test_the_tables_divide_ours_by_theirs_and_count_what_was_lost() -> None:
    toll = Toll(tasks=100, lost=2, doubled=0, unwritten=None)

    figures, ratios, tolls = tables(
        [found("taskqueue", 30.0), found("other", 10.0, beside="taskqueue", toll=toll)]
    ).split("\n\n")

    assert [line.split() for line in figures.splitlines()[1:]] == [
        ["taskqueue", *["30"] * len(FIGURES)],
        ["other", *["10"] * len(FIGURES)],
    ]
    assert ratios.splitlines()[1].split() == ["taskqueue", "/", "other", *["3.00"] * len(FIGURES)]
    assert tolls.splitlines()[1].split(maxsplit=4) == ["other", "100", "2", "0", "keeps no account"]


def test_without_its_counterpart_a_peer_has_no_ratio() -> None:
    assert "ours / theirs" not in tables([found("other", 10.0, beside="taskqueue")])


def test_every_peer_has_a_counterpart_that_is_ours() -> None:
    ours = {entrant.name for entrant in ENTRANTS if entrant.beside is None}

    assert {entrant.beside for entrant in ENTRANTS if entrant.beside is not None} <= ours
    assert all(name.startswith("taskqueue") for name in ours)
    assert len(BY_NAME) > len(ENTRANTS)


def test_a_peer_that_fails_is_left_out_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(peer: str, *_: object) -> dict[str, float]:
        if peer == "taskqueue-http":
            raise subprocess.CalledProcessError(1, peer)
        return dict.fromkeys(FIGURES, 10.0)

    monkeypatch.setattr(turns, "measured", measured)

    turns.main(["taskqueue-http", "taskqueue", "--rounds", "2", "--no-kills"])

    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines()[1:]] == ["taskqueue"]
    assert shown.err.count("failed taskqueue-http: left out") == 1


@pytest.mark.parametrize("module", [kills, report])
def test_the_docstrings_tell_the_truth(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
