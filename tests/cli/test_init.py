"""`taskqueue init` writes a project that runs as it is."""

import asyncio
import sys
from pathlib import Path

import pytest

from taskqueue.settings import Settings, load
from taskqueue.testing.process import ServiceProcess
from tests.cli.conftest import Done, taskqueue

NAMES = ["jobs.py", "taskqueue.service", "taskqueue.toml"]


class RunCommand(ServiceProcess):
    """`taskqueue run`, with the settings of the folder, but on a free port."""

    module = "taskqueue"
    flags = ("run", "--port", "0", "--log-format", "json")


async def test_the_project_runs_and_its_handlers_do_what_they_say(tmp_path: Path) -> None:
    project = tmp_path / "new/project"

    made = await taskqueue("init", str(project))
    async with RunCommand(project) as service:
        url = {"TASKQUEUE_URL": service.url}
        greeted = await taskqueue("enqueue", "greet", "name=Ann", "--wait", "20", **url)
        counted = await taskqueue("enqueue", "count_words", "text=a b a", "--wait", "20", **url)

    assert (made.code, made.err) == (0, "")
    assert [f"wrote {project / name}" in made.out for name in NAMES] == [True] * 3
    assert greeted == Done(0, '"Hello, Ann!"', "")
    assert counted == Done(0, '{"words":3,"different":2}', "")
    assert (project / "data/tasks.db").exists()


async def test_the_files_say_what_is_so(tmp_path: Path) -> None:
    project = tmp_path / "50%"

    written = (await taskqueue("init", str(project), "--json")).json["files"]
    settings = load({}, {}, project)
    unit = (project / "taskqueue.service").read_text().splitlines()

    assert sorted(written) == [str(project / name) for name in NAMES]
    assert (settings.app, str(settings.database)) == ("jobs:app", str(project / "data/tasks.db"))
    assert (settings.consumers, settings.slots) == (Settings().consumers, Settings().slots)
    assert f"WorkingDirectory={tmp_path}/50%%" in unit
    assert f'ExecStart="{sys.executable}" -m taskqueue run' in unit


@pytest.mark.parametrize("name", NAMES)
def test_no_file_is_replaced_and_then_none_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")

    done = asyncio.run(taskqueue("init", str(tmp_path)))

    assert done == Done(1, "", f"taskqueue: nothing was written; already there: {tmp_path / name}")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


async def test_where_nothing_can_be_written_it_ends_with_1_and_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = await taskqueue("init", str(tmp_path / "file/project"))

    assert done == Done(1, "", f"taskqueue: cannot write {tmp_path}/file/project: Not a directory")
