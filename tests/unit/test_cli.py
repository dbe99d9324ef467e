"""The command line, from outside."""

import os
import resource
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from taskqueue.cli import command as cli
from taskqueue.cli import queues, serving
from taskqueue.cli.serving import Ended
from taskqueue.client.views import QueueInfo
from taskqueue.logs import pipeline as logs
from taskqueue.process import leaving, origin
from taskqueue.settings import OPTIONS, Settings
from taskqueue.storage.sqlite import backend

ROOT = Path(__file__).parents[2]


def run(*args: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "taskqueue", *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_queue_whose_tasks_age_is_listed_with_its_seconds() -> None:
    plain = QueueInfo(queue="default", paused=False, paused_at=None, consumers=2)
    ageing = QueueInfo(queue="mail", paused=True, paused_at=1.0, consumers=2, ageing_s=90.0)

    assert [queues.row_of(each)[1] for each in (plain, ageing)] == ["active", "paused, ages 90s"]


def test_every_fault_is_one_line_on_the_error_stream_and_the_exit_code_is_2(tmp_path: Path) -> None:
    done = run("--port", "abc", "--slots=0", cwd=tmp_path, TASKQUEUE_PROT="1")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "taskqueue: TASKQUEUE_PROT: unknown variable; did you mean TASKQUEUE_PORT?",
        "taskqueue: --port: expected an integer between 0 and 65535, got 'abc'",
        "taskqueue: --slots: expected an integer between 1 and 1024, or auto, got '0'",
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("enqueu resize", "No such command 'enqueu'. Did you mean enqueue or queues?"),
        ("frobnicate", "No such command 'frobnicate'."),
        (
            "--url http://q tasks list",
            "--url belongs after the command: taskqueue tasks list --url …",
        ),
        (
            "backup copy.db --database q.db",
            "--database belongs before the command: taskqueue --database … backup",
        ),
        (
            "tokens list --database q.db",
            "--database belongs before the command: taskqueue --database … tokens",
        ),
        ("tasks list --database q.db", "No such option '--database'."),
        ("enqueue resize --priority high", "'high' is not a valid integer."),
        ("enqueue resize --delay-s soon", "'soon' is not a valid number."),
    ],
)
def test_a_command_that_is_written_wrong_is_refused_with_what_is_right(
    words: str, says: str
) -> None:
    done = CliRunner().invoke(cli.command(), words.split(), prog_name="taskqueue")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith(says)


@pytest.mark.parametrize("mode", [("-P", "-m", "taskqueue"), ("-m", "taskqueue")])
def test_a_working_folder_that_is_gone_is_one_line_on_the_error_stream(
    tmp_path: Path, mode: tuple[str, ...]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    done = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", sys.executable, *mode],
        cwd=gone,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "taskqueue: working folder: it has been removed; start the service in another one"
    )
    assert "Traceback" not in done.stderr


def test_the_help_names_every_flag() -> None:
    text = CliRunner().invoke(cli.command(), ["--help"]).stdout

    for option in OPTIONS:
        assert f"{option.flag} " in text
    assert "--config FILE" in text


def test_a_flag_that_does_not_exist_is_refused_with_exit_code_2(tmp_path: Path) -> None:
    done = run("--prot", "1", cwd=tmp_path)

    assert done.returncode == 2
    assert "--prot" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_told(tmp_path: Path) -> None:
    done = run("--version", cwd=tmp_path)

    assert done.returncode == 0
    assert done.stdout.startswith("taskqueue ")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that reach the service, which answers 7."""
    seen: list[Settings] = []

    def serve(settings: Settings, _: object, **__: object) -> Ended:
        seen.append(settings)
        return Ended(code=7, drained_at=0.0)

    def leave(code: int, **_: float) -> NoReturn:
        sys.exit(code)

    monkeypatch.setattr(serving, "serve", serve)
    monkeypatch.setattr(backend, "SpawnedAhead", nullcontext)
    monkeypatch.setattr(leaving, "leave", leave)
    monkeypatch.setattr(origin, "remember", lambda: None)
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    return seen


def test_the_flags_reach_the_service_and_its_answer_is_the_exit_code(
    served: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.toml").write_text("consumers = 9\nallow_remote = true\n")

    flags = ["--config", "other.toml", "--drain-s", "1m", "--retry-max-s=1h", "--no-allow-remote"]
    done = CliRunner().invoke(cli.command(), flags, env={"TASKQUEUE_SLOTS": "3"})

    [settings] = served
    assert done.exit_code == 7
    assert (settings.consumers, settings.slots, settings.drain_s) == (9, 3, 60.0)
    assert settings.retry.max_s == 3600.0
    assert settings.allow_remote is False
    assert str(settings.database) == str(tmp_path / "data/tasks.db")


def test_run_takes_the_flags_after_it_and_those_before_it(
    served: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    flags = ["--slots", "3", "--consumers", "4", "run", "--consumers", "5", "--drain-s", "1m"]
    done = CliRunner().invoke(cli.command(), flags)

    [settings] = served
    assert done.exit_code == 7
    assert (settings.slots, settings.consumers, settings.drain_s) == (3, 5, 60.0)


def test_the_help_imports_no_command_and_no_library_of_the_service() -> None:
    program = """
import sys
from taskqueue.cli.command import COMMANDS, main
try:
    main(["--help"])
except SystemExit:
    pass
commands = [each.module for name, each in COMMANDS.items() if name != "run"]
heavy = ["aiohttp", "aiosqlite", "asyncio", "pykka", "sqlite3", "structlog", "urllib3"]
print([name for name in (*commands, "taskqueue.client", *heavy) if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in done.stdout for name in cli.COMMANDS)


def test_the_help_costs_little_more_than_the_libraries_that_it_is_made_with() -> None:
    def cpu_s(*program: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *program], cwd=ROOT, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    help_s = min(cpu_s("-m", "taskqueue", "--help") for _ in range(5))
    libraries_s = min(cpu_s("-c", "import click, inspect, msgspec") for _ in range(5))

    assert help_s <= 4 * libraries_s


def test_every_command_can_be_imported_and_has_a_help() -> None:
    for name in cli.COMMANDS:
        done = CliRunner().invoke(cli.command(), [name, "--help"])

        assert (done.exit_code, name in done.stdout) == (0, True), done.output
