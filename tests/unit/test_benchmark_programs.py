"""A measurement in a program of its own: its last line counts, and its failure is one."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.programs import program


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source of a module called `measuring`, still empty."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "measuring.py"


def test_the_last_line_is_what_it_found_however_much_it_logs_before(module: Path) -> None:
    module.write_text(
        "import sys\nprint('{}\\n' * 100_000)\nprint(len(sys.argv[1]) + float(sys.argv[2]))"
    )

    found = program("measuring", "four")(0.5)

    assert found == 4.5


def test_a_program_that_fails_has_found_nothing(module: Path) -> None:
    module.write_text("print(1.0)\nraise SystemExit(3)")

    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        program("measuring")(0.5)
