"""The wheel: what it says of itself, and the first commands of the README from it."""

import asyncio
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from taskqueue.release import DISTRIBUTION, version
from tests.deploying.environments import LIMIT_S, ROOT, Environment
from tests.deploying.running import running
from tests.test_readme import BLOCKS, lines_with

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--wheel-dir", folder, ROOT),
        ],
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
        timeout=LIMIT_S,
    )
    [wheel] = folder.iterdir()
    return wheel


def test_the_wheel_has_the_package_with_the_files_of_the_page_and_its_licences(
    wheel: Path,
) -> None:
    names = ZipFile(wheel).namelist()

    tops = {name.partition("/")[0] for name in names}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "taskqueue").rglob("*.*")}
    assert tops == {"taskqueue", f"taskqueue_otp-{version()}.dist-info"}
    assert {name for name in sources if "__pycache__" not in name} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_wheel_says_what_an_index_shows(wheel: Path) -> None:
    archive = ZipFile(wheel)
    [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]

    said = Parser().parsestr(archive.read(metadata).decode())

    assert (said["Name"], said["Version"]) == (DISTRIBUTION, version())
    assert said["Name"] == PROJECT["name"]
    assert said["Summary"] == PROJECT["description"]
    assert said["License-Expression"] == "MIT"
    assert said["Requires-Python"] == ">=3.11"
    assert said.get_all("Classifier") == PROJECT["classifiers"]
    assert said.get_payload().startswith("# taskqueue\n")


async def test_the_first_commands_of_the_readme_run_from_the_wheel(
    wheel: Path, tmp_path: Path
) -> None:
    environment = Environment(tmp_path / "venv")
    folder = tmp_path / "project"
    folder.mkdir()
    [code] = [text for kind, text in BLOCKS if kind == "python" and text.startswith("# jobs.py\n")]
    (folder / "jobs.py").write_text(code)
    [start] = lines_with(" jobs:app")
    [post] = [line for line in lines_with("resize") if line.startswith("curl")]
    read = lines_with("localhost:8080/tasks")[1]

    environment.run(f"pip install --quiet {wheel} && pip check", folder)
    said = environment.run("taskqueue --version", folder)
    async with running(start, folder, environment.variables) as url:
        at = url.removeprefix("http://")
        environment.run(post.replace("localhost:8080", at), folder)
        shown = await until(
            lambda: environment.run(read.replace("localhost:8080", at), folder),
            '"result":{"thumbnail":"a.png?width=400"}',
        )

    assert said == f"taskqueue {version()}\n"
    assert '"status":"completed"' in shown
    assert (folder / "data/tasks.db").exists()


async def until(command: Callable[[], str], text: str) -> str:
    """Run a command until it prints `text`; return what it has printed."""
    while text not in (shown := await asyncio.to_thread(command)):
        pass
    return shown
