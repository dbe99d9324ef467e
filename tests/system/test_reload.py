"""`taskqueue --reload`: the service starts again when a file of the app changes."""

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from taskqueue import AsyncClient
from taskqueue.testing.process import ServiceProcess, children_of

needs_watchfiles = pytest.mark.skipif(
    importlib.util.find_spec("watchfiles") is None, reason="watchfiles is not installed"
)
FLAGS = ("--app", "reloaded:app", "--database", "tasks.db", "--reload")
APP = """
import asyncio
from taskqueue import App, Context

app = App()

@app.task("answer")
async def answer(ctx: Context) -> str:
    {body}
"""


def write(folder: Path, body: str) -> None:
    (folder / "reloaded.py").write_text(APP.format(body=body))


@needs_watchfiles
async def test_a_changed_file_hands_back_what_runs_to_the_new_code(tmp_path: Path) -> None:
    write(tmp_path, "await asyncio.Event().wait()")

    async with ServiceProcess(tmp_path, *FLAGS) as service:
        async with AsyncClient(service.url) as queue:
            task_id = (await queue.enqueue("answer")).id
        await service.wait_for("attempt_started", task_id=task_id)
        write(tmp_path, "return 'the new code'")
        changed = await service.wait_for("files_changed")
        again = await service.wait_for("service_ready", nth=2, timeout_s=30.0)
        async with AsyncClient(again["url"]) as queue:
            task = await queue.task(task_id).wait(30.0)
        code = await service.stop()

    assert changed["files"] == ["reloaded.py"]
    assert (task.status, task.result, task.attempt) == ("completed", "the new code", 1)
    assert code == 0


@needs_watchfiles
async def test_a_syntax_error_is_one_line_and_the_next_change_is_waited_for(
    tmp_path: Path,
) -> None:
    write(tmp_path, "return 1")

    async with ServiceProcess(tmp_path, *FLAGS) as service:
        [first] = children_of(service.pid)
        write(tmp_path, "return (")
        await replaced_and_ended(service, first)
        write(tmp_path, "return 3 # mended")
        await service.wait_for("service_ready", nth=2, timeout_s=30.0)
        await service.stop()
        complaint = await service.complaint()

    [line] = complaint.splitlines()
    assert line.startswith("taskqueue: app: importing reloaded failed at ")
    assert "reloaded.py:9: SyntaxError" in line


async def replaced_and_ended(service: ServiceProcess, first: int) -> None:
    """Wait until the child after the first has ended; it is not reaped before the next change."""
    async with asyncio.timeout(30.0):
        while not has_replaced(service, first):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


def has_replaced(service: ServiceProcess, first: int) -> bool:
    children = children_of(service.pid)
    if not children or children == [first]:
        return False
    return ") Z " in Path(f"/proc/{children[0]}/stat").read_text()


def test_without_watchfiles_the_command_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['watchfiles'] = None; sys.argv[1:] = ['--reload'];"
        "from taskqueue.cli.command import main; main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "taskqueue: --reload: needs watchfiles: pip install 'taskqueue-otp[reload]'\n"
    )
