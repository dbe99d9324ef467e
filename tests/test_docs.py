"""The documents are true where a test can tell."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = "\n".join(path.read_text() for path in (ROOT / "taskqueue").rglob("*.py"))


def test_every_event_is_listed_and_every_listed_event_is_logged() -> None:
    called = re.compile(r'\.(?:debug|info|warning|error|exception)\(\s*"([a-z]+_[a-z_]+)"')
    logged = set(called.findall(SOURCES))

    rows = re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs/logs.md").read_text(), re.MULTILINE)

    assert len(rows) == len(set(rows))
    assert {name for name in rows if f'"{name}"' not in SOURCES} == set()
    assert logged - set(rows) == set()


def test_the_paths_of_a_task_and_of_a_crash_name_what_there_is() -> None:
    design = (ROOT / "docs/design.md").read_text()
    steps = re.findall(r"^([a-z_/]+\.py)\s+(\w+)", design, re.MULTILINE)

    assert len(steps) > 10
    for module, name in steps:
        assert re.search(rf"\b(def|class) {name}\b", (ROOT / "taskqueue" / module).read_text()), (
            f"docs/design.md: {module} has no {name}"
        )


def test_the_tests_that_the_page_on_testing_shows_are_run() -> None:
    page, example = (
        (ROOT / name).read_text() for name in ("docs/testing.md", "examples/test_shop.py")
    )
    shown = re.findall(r"```python\n(async def test_.*?)```", page, re.DOTALL)

    assert len(shown) == 2
    assert [text for text in shown if text not in example] == []


def test_the_first_actor_of_the_guide_prints_what_the_guide_says() -> None:
    page = (ROOT / "docs/actors.md").read_text()
    [(program, printed)] = re.findall(
        r"```python\n(import .*?)```\n+```\n(.*?)```", page, re.DOTALL
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr, done.stdout) == (0, "", printed)


def test_the_program_of_the_page_on_embedding_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs/embedding.md").read_text()
    [program] = re.findall(r"```python\n(import .*?)```", page, re.DOTALL)

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert 'completed {"words":3}\n' in done.stdout
    assert (tmp_path / "tasks.db").exists()


def test_importing_what_a_program_uses_changes_nothing_of_the_process() -> None:
    program = """
import gc, logging, signal, sys, threading
def state():
    return (
        {number: signal.getsignal(number) for number in signal.Signals},
        (gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()),
        (logging.root.level, logging.root.handlers[:]),
        (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.path[:]),
        threading.active_count(),
    )
before = state()
import taskqueue
for name in taskqueue.__all__:
    getattr(taskqueue, name)
assert state() == before, (before, state())
"""

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_importing_the_libraries_prints_nothing() -> None:
    program = "import taskqueue.runtime, taskqueue.supervision"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_every_test_that_the_guarantees_name_is_there() -> None:
    page = (ROOT / "docs/guarantees.md").read_text()
    named = sorted(set(re.findall(r"([\w/]+\.py)::(\w+)", page)))

    assert len(named) > 50
    assert [f"{path}::{test}" for path, test in named if not _has_test(path, test)] == []


def _has_test(path: str, test: str) -> bool:
    file = ROOT / path
    return file.exists() and f"def {test}(" in file.read_text()


COLUMNS = 120


def test_prose_in_markdown_keeps_to_120_columns() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]

    long = [
        f"{page.relative_to(ROOT)}: {line[:40]}…"
        for page in pages
        for line in prose_of(page.read_text())
        if len(line) > COLUMNS and " " in line[COLUMNS // 2 :]
    ]

    assert long == []


def prose_of(markdown: str) -> list[str]:
    """Return the lines outside code blocks and tables, which cannot be wrapped."""
    text = re.sub(r"^ *```.*?^ *```", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return [line for line in text.splitlines() if not line.startswith("|")]
