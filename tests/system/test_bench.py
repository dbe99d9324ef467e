"""`taskqueue bench`, as a user runs it: what it prints, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
NAMES = [
    "disk: a commit of 1 row",
    "disk: commits of 100 rows",
    "enqueue: one at a time",
    "enqueue: 100 in flight",
    "drain: a backlog of no-ops",
    "latency: half of the tasks",
    "latency: 99 of 100 tasks",
    "end to end",
    "POST /tasks",
]


ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT)}


def command(*args: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "taskqueue", *args]


def run(*args: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*args), cwd=cwd, env=ENVIRON, capture_output=True, text=True, check=False
    )


def bench(*args: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return run("bench", "--seconds", "0.5", *args, cwd=cwd)


def test_it_prints_each_figure_with_what_it_means_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    ended = bench(cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    heading, *lines = ended.stdout.splitlines()
    assert str(tmp_path) in heading
    assert "synchronous = FULL, consumers = 2, slots = auto, prefetch = 5" in heading
    figures = [line for line in lines if line and not line.startswith(" ")]
    assert [line[:30].rstrip() for line in figures] == NAMES
    assert len({line.index(line.split()[-1]) for line in figures}) == 1  # the units are aligned
    assert list(tmp_path.iterdir()) == []


def test_it_tells_programs_the_same_as_json_with_the_settings_it_was_measured_under(
    tmp_path: Path,
) -> None:
    (tmp_path / "taskqueue.toml").write_text('synchronous = "NORMAL"\nconsumers = 0\nslots = 3\n')

    ended = bench("--json", cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    report = json.loads(ended.stdout)
    assert (report["synchronous"], report["slots"], report["seconds"]) == ("NORMAL", 3, 0.5)
    assert [finding["name"] for finding in report["findings"]] == NAMES
    assert all(finding["value"] > 0 for finding in report["findings"])


async def test_it_measures_beside_a_service_that_runs_and_does_not_touch_its_database(
    tmp_path: Path,
) -> None:
    async with ServiceProcess(tmp_path) as service:
        data = tmp_path / "data"
        before = set(data.iterdir())

        ended = bench("--database", str(data / "tasks.db"), cwd=tmp_path)

        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith(f"In {data}, ")
        assert set(data.iterdir()) == before
        async with aiohttp.ClientSession() as session, session.get(f"{service.url}/tasks") as shown:
            assert (await shown.json())["count"] == 0
        assert await service.stop() == 0


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--database", "file/tasks.db"], "cannot write in"),
        (["--database", "/proc/tasks.db"], "taskqueue: database: cannot write in /proc: "),
        (["--seconds", "0"], "0 is not in the range"),
        (["--seconds", "soon"], "'soon' is not a valid number"),
        (["--slots", "2"], "--slots belongs before the command"),
        (["--tasks", "2"], "No such option"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line_and_ends_with_2(
    tmp_path: Path, args: list[str], complaint: str
) -> None:
    (tmp_path / "file").touch()

    ended = bench(*args, cwd=tmp_path)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_flag_of_the_service_before_the_command_holds_for_it(tmp_path: Path) -> None:
    ended = run("--slots", "0", "bench", cwd=tmp_path)

    assert ended.returncode == 2
    assert (
        "taskqueue: --slots: expected an integer between 1 and 1024, or auto, got '0'"
        in ended.stderr
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        command("bench", "--seconds", "20"),
        cwd=tmp_path,
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("disk:"):
                break

        process.send_signal(number)
        _, complaint = process.communicate()

    assert process.returncode == 1
    assert "Traceback" not in complaint
    assert list(tmp_path.iterdir()) == []
