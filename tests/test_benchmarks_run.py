"""The benchmarks run: for a blink, so nothing here says how fast anything is.

The first figure of each area, but for those that need half a minute to be set up, and the figures
whose floors are written in the SQL of the service, which changes; `python -m
benchmarks --seconds 0.05 --rounds 1` has them all, and takes some minutes.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import page, waiters
from benchmarks.__main__ import AREAS, FIGURES, chosen
from benchmarks.peers.field import BY_NAME

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent
FIRST = [area.FIGURES[0].name for area in AREAS if area not in (page, waiters)]
WITH_OUR_SQL = ["http.post_list", "life.drain"]
RUN = [*FIRST, *WITH_OUR_SQL]


def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a user does; what it warns of is an error."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(300)
def test_a_run_shows_its_figures_in_its_table_and_in_its_json(tmp_path: Path) -> None:
    report = tmp_path / "report.json"

    tiny = ("--seconds", "0.05", "--rounds", "1", "--rows", "2000", "--waiting", "2000")
    ended = run(*RUN, *tiny, "--json", str(report))

    assert ended.returncode == 0, ended.stderr
    names = [figure.name for figure in chosen(RUN) if figure.missing is None]
    heading, *lines = ended.stdout.splitlines()
    assert heading.startswith("name ")
    assert [line.split()[0] for line in lines] == names
    found = json.loads(report.read_text())
    assert (found["seconds"], found["rounds"]) == (0.05, 1)
    assert [figure["name"] for figure in found["figures"]] == names
    for figure in found["figures"]:
        [ours], [floor] = figure["ours"]["rounds"], figure["floor"]["rounds"]
        assert 0 < ours < math.inf
        assert 0 < floor < math.inf
        assert figure["ratio"] == pytest.approx(ours / floor)


def test_the_list_names_every_figure_and_measures_nothing() -> None:
    ended = run("--list")

    assert ended.returncode == 0, ended.stderr
    assert [line.split()[0] for line in ended.stdout.splitlines()] == [
        figure.name for figure in FIGURES
    ]
    assert ended.stderr == ""


def test_a_figure_that_lacks_its_peer_is_left_out_and_says_what_is_missing() -> None:
    ended = run("life.end_to_end_huey_redis", PATH="")  # where there is no redis-server

    assert ended.returncode == 0, ended.stderr
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["name"]
    [left_out] = ended.stderr.splitlines()
    assert left_out.startswith("left out life.end_to_end_huey_redis: the ")
    assert left_out.endswith(" is missing")


@pytest.mark.timeout(600)
def test_peers_take_turns_and_show_what_a_kill_costs(tmp_path: Path) -> None:
    names = ("taskqueue", "taskqueue-file")
    report = tmp_path / "report.json"

    ended = run("peers", *names, "--seconds", "0.05", "--rounds", "2", "--json", str(report))

    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stderr.splitlines() if line.startswith("round")] == [
        f"round {number}: {name}" for number in (1, 2) for name in names
    ]
    figures, tolls = ended.stdout.split("\n\n")
    assert [line.split()[0] for line in figures.splitlines()[1:]] == list(names)
    # The workers of the other are the producer's own.
    assert [line.split()[0] for line in tolls.splitlines()[1:]] == ["taskqueue-file"]
    inside, through_the_file = json.loads(report.read_text())
    for rounds in (*inside["figures"].values(), *through_the_file["figures"].values()):
        assert len(rounds) == 2
        assert all(0 < number < math.inf for number in rounds)
    assert inside["kills"] is None
    assert through_the_file["kills"]["lost"] == 0
    assert through_the_file["kills"]["unwritten"] == 0


def test_a_peer_that_is_not_found_is_skipped_and_says_how_to_get_it() -> None:
    ended = run("peers", "dramatiq-rabbitmq", "huey-redis", "--rounds", "1", PATH="")

    assert ended.returncode == 0, ended.stderr
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == [
        "skipped dramatiq-rabbitmq",
        "skipped huey-redis",
    ]
    assert all("install" in line for line in ended.stderr.splitlines())


def test_a_peer_that_does_not_exist_is_an_error_that_names_those_that_do() -> None:
    ended = run("peers", "celery")

    assert ended.returncode != 0
    assert "no peer is called celery; there are taskqueue, " in ended.stderr


@pytest.mark.timeout(600)
@pytest.mark.skipif(BY_NAME["taskqueue-postgres"].missing is not None, reason="needs PostgreSQL")
def test_a_fleet_is_shown_beside_as_many_other_workers(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    tiny = ("--nodes", "2", "--seconds", "0.1", "--rounds", "1")

    ended = run("fleet", *tiny, "--peers", "raw-skip-locked", "--json", str(report))

    assert ended.returncode == 0, ended.stderr
    found = json.loads(report.read_text())
    assert [(figure["name"], figure["against"]) for figure in found] == [
        ("fleet.end_to_end_2", "raw-skip-locked"),
        ("fleet.drain_2", "raw-skip-locked"),
    ]
    for figure in found:
        assert all(0 < number < math.inf for number in figure["ours"]["rounds"])


@pytest.mark.parametrize("command", [(), ("peers",), ("fleet",)], ids=["areas", "peers", "fleet"])
def test_a_run_without_rounds_is_refused(command: tuple[str, ...]) -> None:
    ended = run(*command, "--rounds", "0")

    assert ended.returncode == 2
    assert "argument --rounds: 0 is not a number from 1" in ended.stderr


def test_an_unknown_name_is_an_error_that_says_so() -> None:
    ended = run("actors.asks")

    assert ended.returncode == 2
    assert "no figure or area is called actors.asks" in ended.stderr
