"""Shells complete commands, options and values."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from taskqueue.cli.command import COMMANDS


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which `taskqueue` is a program."""
    program = tmp_path / "taskqueue"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m taskqueue "$@"\n')
    program.chmod(0o700)
    return {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


def completions(words: str, environ: dict[str, str]) -> set[str]:
    """What bash offers for the last of the words, which may be empty."""
    script = """
eval "$(_TASKQUEUE_COMPLETE=bash_source taskqueue)"
COMP_WORDS=($WORDS "$LAST") COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_taskqueue_completion taskqueue
printf '%s\\n' "${COMPREPLY[@]}"
"""
    first, _, last = words.rpartition(" ")
    done = subprocess.run(
        ["bash", "-uc", script],
        env={**environ, "WORDS": first, "LAST": last},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("taskqueue ", set(COMMANDS)),
        ("taskqueue ta", {"tasks"}),
        ("taskqueue tasks w", {"wait"}),
        ("taskqueue tasks list --status sch", {"scheduled"}),
        ("taskqueue doctor --min", {"--min-free-mb"}),
        ("taskqueue --drain", {"--drain-s"}),
    ],
)
def test_bash_completes(words: str, offered: set[str], environ: dict[str, str]) -> None:
    assert completions(words, environ) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_that_they_can_read(shell: str, environ: dict[str, str]) -> None:
    script = subprocess.run(
        ["taskqueue"],
        env={**environ, "_TASKQUEUE_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert f"_TASKQUEUE_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
