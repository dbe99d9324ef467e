"""What commands draw on a terminal of 80 columns."""

import asyncio
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from fcntl import ioctl
from typing import NamedTuple

import pytest

from taskqueue.testing.process import ServiceProcess
from tests.cli.conftest import Command

COLOUR = "\x1b["
LONG = "a" * 60


class Seen(NamedTuple):
    """What a terminal has shown, and how the command ended."""

    code: int
    text: str

    @property
    def lines(self) -> list[str]:
        """The lines without their colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text).replace("\r", "").splitlines()


def on_terminal(*arguments: str, env: Mapping[str, str], typed: str = "", until: str = "") -> Seen:
    """Run `taskqueue` on a terminal of 80 columns; Ctrl-C is typed once it shows `until`."""
    ours, its = os.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "taskqueue", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", **env},
        stdin=its,
        stdout=its,
        stderr=its,
        preexec_fn=lambda: (os.setsid(), ioctl(0, termios.TIOCSCTTY, 0)),  # noqa: PLW1509
    )
    os.close(its)
    os.write(ours, typed.encode())
    shown = b""
    try:
        while part := os.read(ours, 65_536):
            shown += part
            if until and until in shown.decode(errors="replace"):
                os.write(ours, b"\x03")
                until = ""
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


async def test_the_tree_is_watched_until_ctrl_c(env: dict[str, str]) -> None:
    watch = ("tree", "--watch", "--every-s", "0.1")

    seen = await asyncio.to_thread(on_terminal, *watch, env=env, until="gateway")

    assert seen.code == 0
    assert "└─ gateway  running  incarnation 1" in seen.lines
    assert f"{COLOUR}32mrunning" in seen.text
    assert "Traceback" not in seen.text
