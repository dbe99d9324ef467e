"""Files of the user in the working folder do not take the place of the standard library's."""

import sys
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess
from tests.system.services import Client, Services, until, when

APP = """
from taskqueue import App

app = App()


@app.task("on_the_loop")
async def on_the_loop(ctx):
    return "loop"


@app.task("in_a_thread")
def in_a_thread(ctx):
    return "thread"


@app.task("in_a_process", executor="process")
def in_a_process(ctx):
    return "process"


@app.task("fail", max_attempts=1)
def fail(ctx):
    raise ValueError("no")
"""

ACTIONS = ("on_the_loop", "in_a_thread", "in_a_process")
FLAGS = ("--app", "of_the_user:app", "--consumers", "1")

# Those that `python -m` imports itself, with the working folder on the path.
OF_RUNPY = {"types", "contextlib", "importlib"}


class Installed(ServiceProcess):
    """As the command `taskqueue` and `bin/run` start it: the working folder is not on the path."""

    under: ClassVar[tuple[str, ...]] = ("sh", "-c", 'exec "$0" -P "$@"')


def shadow(folder: Path, names: frozenset[str] | set[str]) -> None:
    """Have a file with the name of each module, which cannot be imported."""
    for name in names:
        (folder / f"{name}.py").write_text(f'raise ImportError("this is {name} of the user")\n')
    (folder / "of_the_user.py").write_text(APP)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Installed, sys.stdlib_module_names),
        (ServiceProcess, {"queue", "http", "email", "logging", "secrets"}),
    ],
    ids=["installed", "as a module"],
)
async def test_no_process_of_ours_imports_one(
    services: Services,
    http: aiohttp.ClientSession,
    kind: type[ServiceProcess],
    names: frozenset[str],
) -> None:
    shadow(services.folder, names)
    client = Client(http, await services.start(*FLAGS, kind=kind))

    failed = await client.post("fail")
    done = [await client.post(action) for action in ACTIONS]
    await when([failed], client.service, "task_dead_lettered")
    await when(done, client.service, "task_completed")
    await client.kill("root/database")  # another process that writes is started
    await client.service.wait_for("child_restarted", child_id="database")
    await until(lambda: client.get("/ready"), lambda answer: answer.status == 200)
    code = await client.service.stop()

    assert code == 0
    assert await client.service.complaint() == ""
