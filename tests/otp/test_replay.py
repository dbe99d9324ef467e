"""Recorded traces of Erlang/OTP: what happens here is what happened there."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.otp import replay

TRACES = Path(__file__).with_name("traces.jsonl")
ORDER = Path(__file__).with_name("order.jsonl")
ON_PURPOSE = {"min-live-child-signals-supervisor"}  # named in docs/otp.md, "On purpose"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def case() -> dict[str, Any]:
    """Return a scenario with events, reports, a burst and a living tree at its end."""
    return next(
        case
        for case in replay.cases(TRACES, "burst")
        if case["trace"]["cleanup"]
        and any(len(step["events"]) > 2 and step["reports"] for step in case["trace"]["steps"])
    )


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*cases: dict[str, Any]) -> Path:
        path = tmp_path / "some.jsonl"
        path.write_text("".join(json.dumps(case) + "\n" for case in cases))
        return path

    return write


def step_with_reports(case: dict[str, Any]) -> dict[str, Any]:
    return next(
        step for step in case["trace"]["steps"] if len(step["events"]) > 2 and step["reports"]
    )


def a_result(case: dict[str, Any]) -> None:
    case["trace"]["steps"][0]["result"] = ["error", "altered"]


def a_missing_event(case: dict[str, Any]) -> None:
    del step_with_reports(case)["events"][1]


def the_order_of_events(case: dict[str, Any]) -> None:
    step_with_reports(case)["events"].reverse()


def a_report(case: dict[str, Any]) -> None:
    step_with_reports(case)["reports"][0]["reason"] = "altered"


def an_orphan(case: dict[str, Any]) -> None:
    orphan = {"e": "terminated", "path": ["root", "x"], "n": 1, "reason": "killed"}
    case["trace"]["steps"][0]["orphans"].append(orphan)


def the_final_tree(case: dict[str, Any]) -> None:
    case["trace"]["final"]["tree"][0]["count"]["active"] += 1


def the_cleanup(case: dict[str, Any]) -> None:
    case["trace"]["cleanup"]["result"] = "killed"


def the_number_of_steps(case: dict[str, Any]) -> None:
    case["trace"]["steps"].pop()


ALTERATIONS = (
    a_result,
    a_missing_event,
    the_order_of_events,
    a_report,
    an_orphan,
    the_final_tree,
    the_cleanup,
    the_number_of_steps,
)


def test_every_recorded_scenario_happens_here_as_it_did_there(capsys) -> None:
    recorded = len(TRACES.read_text().splitlines())

    code = replay.main([str(TRACES)])

    assert capsys.readouterr().out == f"{recorded} scenarios: {recorded} matched, 0 differed\n"
    assert code == 0


def test_messages_and_signals_take_effect_in_the_order_in_which_otp_takes_them() -> None:
    recorded = list(replay.cases(ORDER, None))

    differing = {each["scenario"]["name"] for each in recorded if replay.replay(each)}

    assert len(recorded) == 8
    assert differing == ON_PURPOSE


@pytest.mark.parametrize("alter", ALTERATIONS)
def test_a_trace_that_was_altered_is_reported_as_differing(case, alter, written, capsys) -> None:
    altered = copy.deepcopy(case)
    alter(altered)

    code = replay.main([str(written(case, altered))])

    out = capsys.readouterr().out
    assert code == 1
    assert out.endswith("2 scenarios: 1 matched, 1 differed\n")
    assert out.count(f"{case['scenario']['name']} [") == 1
    assert out.count("expected") == out.count(">>") == 1


def test_the_first_difference_is_marked_beside_what_was_expected(case, written, capsys) -> None:
    a_result(case)

    replay.main([str(written(case))])

    marked = [line for line in capsys.readouterr().out.splitlines() if ">>" in line]
    assert [line.split()[1] for line in marked] == ["error"]


def test_only_the_scenarios_of_a_tag_are_replayed(capsys) -> None:
    tagged = len(list(replay.cases(TRACES, "validation")))

    code = replay.main([str(TRACES), "--only", "validation", "--verbose"])

    out = capsys.readouterr().out
    assert out.count("validation") == out.count("matches") == tagged
    assert out.endswith(f"{tagged} scenarios: {tagged} matched, 0 differed\n")
    assert code == 0


def test_a_scenario_that_never_comes_to_an_end_is_a_difference(case, written, capsys) -> None:
    case["scenario"]["root"] = {
        "id": "root",
        "children": [
            {"id": "a", "trap_exit": True, "ignore_shutdown": True, "shutdown": "infinity"}
        ],
    }
    case["scenario"]["actions"] = [{"do": "stop", "reason": "shutdown"}]

    code = replay.main([str(written(case))])

    assert "nothing is left to happen" in capsys.readouterr().out
    assert code == 1


def test_as_a_command_its_exit_code_says_whether_anything_differs(case, written) -> None:
    alike = _command(written(case))
    a_result(case)
    different = _command(written(case))

    assert (alike.returncode, alike.stdout) == (0, "1 scenarios: 1 matched, 0 differed\n")
    assert different.returncode == 1
    assert different.stdout.endswith("1 scenarios: 0 matched, 1 differed\n")


def _command(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.otp.replay", str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
