"""Scripts that were run with Erlang's processes: actors do the same, or differ on purpose."""

import shutil
from pathlib import Path

import pytest

from tests.otp.pairs import compare, random_scripts

CASES = compare.scripts(compare.CASES.read_text())
EXPECTED = compare.results(compare.RECORDED.read_text())
PAGE = Path(__file__).parents[2] / "docs" / "otp.md"

with_erlang = pytest.mark.skipif(shutil.which("escript") is None, reason="needs erlang-base")


@pytest.mark.parametrize("threads", [False, True], ids=["one_loop", "a_thread_each"])
@pytest.mark.parametrize("name", CASES)
def test_actors_do_as_processes_do_unless_they_differ_on_purpose(name: str, threads: bool) -> None:
    got = compare.play(CASES[name], threads=threads)

    assert (got != EXPECTED[name]) == (name in compare.ON_PURPOSE), got


def test_every_difference_on_purpose_is_documented() -> None:
    page = PAGE.read_text()

    assert [name for name in sorted(compare.ON_PURPOSE) if f"`{name}`" not in page] == []


@with_erlang
@pytest.mark.long
@pytest.mark.timeout(240)  # three times Erlang's own, on a machine that may be busy
def test_the_recorded_results_are_those_of_erlang() -> None:
    differing = set(EXPECTED)

    # A parent that a failed start ends may still answer or not: Erlang leaves that open.
    for _ in range(3):
        got = compare.results(compare.run_erlang(compare.CASES))
        differing = {name for name in differing if got[name] != EXPECTED[name]}

    assert got.keys() == EXPECTED.keys()
    assert differing == set()


@with_erlang
@pytest.mark.long
@pytest.mark.timeout(240)
def test_random_scripts_do_the_same_with_actors_and_with_processes(capsys) -> None:
    with capsys.disabled():
        code = random_scripts.main(seed=7, seconds=45.0)

    assert code == 0
