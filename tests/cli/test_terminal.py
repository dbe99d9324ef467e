"""What commands draw on a terminal of 80 columns."""

import asyncio
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from fcntl import ioctl
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest
from aiohttp import ClientSession

from taskqueue import AsyncClient
from taskqueue.storage.sqlite.migrating import migrate
from taskqueue.testing.process import ServiceProcess
from tests.cli.conftest import Command

COLOUR = "\x1b["
LONG = "a" * 60


ALTERNATE_SCREEN, USERS_SCREEN = "\x1b[?1049h", "\x1b[?1049l"

# What is waited for, and what is done then with the other end of the terminal.
Step: TypeAlias = tuple[str, Callable[[int], object]]


def key(text: str) -> Callable[[int], object]:
    """Type it."""
    return lambda terminal: os.write(terminal, text.encode())


CTRL_C = key("\x03")


class Seen(NamedTuple):
    """What a terminal has shown, and how the command ended."""

    code: int
    text: str

    @property
    def lines(self) -> list[str]:
        """The lines without their colours."""
        text = self.text.replace("\x1b[H", "\n")  # the cursor goes home: another view
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "").splitlines()


def _take_terminal() -> None:
    os.setsid()
    ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests run in the background


def on_terminal(
    *arguments: str, env: Mapping[str, str], typed: str = "", steps: Sequence[Step] = ()
) -> Seen:
    """Run `taskqueue` on a terminal of 80 columns; each step waits for what is shown next."""
    waiting = list(steps)
    seen_before = 0
    ours, its = os.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "taskqueue", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", **env},
        stdin=its,
        stdout=its,
        stderr=its,
        preexec_fn=_take_terminal,  # noqa: PLW1509
    )
    os.close(its)
    os.write(ours, typed.encode())
    shown = b""
    try:
        while part := os.read(ours, 65_536):
            shown += part
            while waiting and waiting[0][0].encode() in shown[seen_before:]:
                _, act = waiting.pop(0)
                seen_before = len(shown)
                act(ours)
    except OSError:
        pass  # the last process that had it open has ended
    os.close(ours)
    return Seen(child.wait(), shown.decode())


@pytest.fixture
def env(service: ServiceProcess) -> dict[str, str]:
    return {"TASKQUEUE_URL": service.url}


async def test_a_table_fits_80_columns_and_has_colours_unless_no_color_is_set(
    run: Command, env: dict[str, str]
) -> None:
    await run("enqueue", "refuse", f"why={LONG}", "--wait", "20")

    listed = await asyncio.to_thread(on_terminal, "dead", "list", env=env)
    tasks = await asyncio.to_thread(on_terminal, "tasks", "list", env=env)
    plain = await asyncio.to_thread(on_terminal, "tasks", "list", env={**env, "NO_COLOR": "1"})

    assert [len(line) for line in listed.lines] == [len(listed.lines[0]), 80]
    assert listed.lines[1].endswith("a…")
    assert f"{COLOUR}31mdead" in tasks.text
    assert COLOUR not in plain.text
    assert plain.lines[1].split()[:5] == tasks.lines[1].split()[:5]


async def test_a_bulk_change_asks_first_and_shows_its_progress(
    run: Command, env: dict[str, str]
) -> None:
    task_id = (await run("enqueue", "resize", "url=a.png", "--delay-s", "600")).out
    words = ("tasks", "cancel", "--all")

    no = await asyncio.to_thread(on_terminal, *words, env=env, typed="n\n")
    kept = (await run("tasks", "show", task_id, "--json")).json
    yes = await asyncio.to_thread(on_terminal, *words, env=env, typed="y\n")

    assert (no.code, kept["status"]) == (1, "scheduled")
    assert "Cancel 1 task? [y/N]" in no.text
    assert "100%" in yes.text
    assert (yes.code, yes.lines[-1]) == (0, "cancelled 1 of 1 task")


async def test_a_backup_shows_its_progress(
    service: ServiceProcess, tmp_path: Path, env: dict[str, str]
) -> None:
    await service.wait_for("service_ready")
    words = ("--database", str(tmp_path / "data/tasks.db"), "backup", str(tmp_path / "copy.db"))

    seen = await asyncio.to_thread(on_terminal, *words, env=env)

    assert seen.code == 0
    assert "100%" in seen.text
    assert seen.lines[-1].startswith("copied ")


async def test_a_copy_shows_its_progress(tmp_path: Path, env: dict[str, str]) -> None:
    await migrate(tmp_path / "tasks.db")
    words = ("copy", str(tmp_path / "tasks.db"), str(tmp_path / "copy.db"))

    seen = await asyncio.to_thread(on_terminal, *words, env=env)

    assert seen.code == 0
    assert "copy" in seen.text
    assert "compare" in seen.text
    assert seen.lines[-1].startswith("audited_changes")
    assert max(map(len, seen.lines)) <= 80


async def test_the_tree_is_watched_until_ctrl_c(env: dict[str, str]) -> None:
    watch = ("tree", "--watch", "--every-s", "0.1")

    seen = await asyncio.to_thread(on_terminal, *watch, env=env, steps=[("gateway", CTRL_C)])

    assert seen.code == 0
    assert "└─ gateway  running  incarnation 1" in seen.lines
    assert f"{COLOUR}32mrunning" in seen.text
    assert "Traceback" not in seen.text


async def test_top_shows_queues_running_tasks_and_restarts_until_q(
    run: Command, service: ServiceProcess, env: dict[str, str]
) -> None:
    task_id = (await run("enqueue", "nap", "seconds=600")).out
    async with AsyncClient(service.url) as client:
        while not await client.running():
            pass
    async with ClientSession(service.url) as http:
        await http.post("/supervision/kill", json={"path": "root/database"})
    await service.wait_for("child_restarted")
    watch = ("top", "--every-s", "0.1")

    steps = [("killed", key("q"))]
    seen = await asyncio.to_thread(on_terminal, *watch, env=env, steps=steps)

    assert seen.code == 0
    assert max(map(len, seen.lines)) <= 80
    assert f"taskqueue  {service.url}  2 consumers, 1 running, 0 waiting, 1 restart" in seen.lines
    row = next(line for line in seen.lines if line.startswith(task_id))
    assert row.split()[1] == "nap"
    assert "tests/cli/" in row
    assert any(line.startswith("root/database  running  1") for line in seen.lines)
    assert any(line.startswith("default  active  2  ") for line in seen.lines)
    assert "q quits" in seen.text
    assert f"{COLOUR}1mqueue" in seen.text
    assert seen.text.startswith(ALTERNATE_SCREEN)
    assert seen.text.endswith(USERS_SCREEN)


async def test_top_without_colour_until_ctrl_c(env: dict[str, str]) -> None:
    plain = {**env, "NO_COLOR": "1"}

    seen = await asyncio.to_thread(on_terminal, "top", env=plain, steps=[("q quits", CTRL_C)])

    assert seen.code == 0
    assert re.findall(r"\x1b\[[0-9;]*m", seen.text) == []
    assert seen.text.endswith(USERS_SCREEN)
    assert "Traceback" not in seen.text


async def test_top_says_that_the_service_has_gone_and_goes_on(
    service: ServiceProcess, env: dict[str, str]
) -> None:
    watch = ("top", "--every-s", "0.1", "--retry-s", "0")
    pid = service.pid
    steps = [
        ("q quits", lambda _: os.kill(pid, signal.SIGKILL)),
        ("is unavailable", key("q")),
    ]

    seen = await asyncio.to_thread(on_terminal, *watch, env=env, steps=steps)

    assert seen.code == 0
    assert max(map(len, seen.lines)) <= 80
    assert "Traceback" not in seen.text


async def test_top_where_there_is_no_terminal_shows_all_once(run: Command) -> None:
    task_id = (await run("enqueue", "resize", "url=a.png", "--delay-s", "600")).out

    once = await run("top")
    as_json = await run("top", "--json")
    unreachable = await run("top", "--url", "http://127.0.0.1:1", "--retry-s", "0")

    assert task_id
    assert once.code == 0
    assert once.out.splitlines()[0].endswith("2 consumers, 0 running, 1 waiting, 0 restarts")
    assert "\x1b" not in once.out
    assert set(as_json.json) == {"queues", "running", "tree"}
    assert unreachable.code == 3
