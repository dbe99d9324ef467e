"""The log at a terminal of 80 columns, as a human sees it."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WIDTH = 80
_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A service whose standard output is a terminal of 80 columns."""

    def __init__(self, folder: Path, **env: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "taskqueue.supervisor", "--port", "0"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **env},
        )
        os.close(theirs)

    def run(self) -> str:
        """Stop the service once it says how; return all that it has written."""
        seen, stopped = b"", False
        while chunk := self._read():
            seen += chunk
            if b"Ctrl-C" in seen and not stopped:
                stopped = True
                self._process.send_signal(signal.SIGINT)
        assert self._process.wait() == 0
        return seen.decode().replace("\r\n", "\n")

    def _read(self) -> bytes:
        try:
            return os.read(self._ours, 1 << 16)
        except OSError:  # the last descriptor of the other side is closed
            return b""

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@pytest.fixture
def open_terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []
    # Not `tmp_path`: a line has no room for the path of a database there.
    with tempfile.TemporaryDirectory() as folder:

        def open_one(**env: str) -> Terminal:
            opened.append(Terminal(Path(folder), **env))
            return opened[-1]

        yield open_one
        for each in opened:
            each.close()


def test_each_line_fits_the_terminal_and_names_actors_by_their_path(
    open_terminal: Callable[..., Terminal],
) -> None:
    written = open_terminal().run()

    lines = _SEQUENCE.sub("", written).splitlines()
    [banner] = [n for n, line in enumerate(lines) if "is ready at" in line]
    assert [line for line in lines if len(line) > WIDTH] == []
    assert re.fullmatch(r"taskqueue is ready at http://127\.0\.0\.1:\d+", lines[banner])
    assert lines[banner + 1].startswith("app demo, database ")
    assert any(re.fullmatch(r"[\d:]{8} info     child_started root/queue .*", x) for x in lines)
    assert "urn:uuid" not in written
    assert "\x1b[" in written


def test_no_color_is_obeyed(open_terminal: Callable[..., Terminal]) -> None:
    written = open_terminal(NO_COLOR="1").run()

    assert "service_stopped" in written
    assert "\x1b" not in written
