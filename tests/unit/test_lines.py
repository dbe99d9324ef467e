"""When a line is written, and what may be lost."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from taskqueue.logs.lines import LONG_LINE, MOST_LINES, LineWriter

ROOT = Path(__file__).parents[2]


class Gate(io.StringIO):
    """A stream that says what it was given, and takes nothing while its reader is away."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = threading.Event()
        self.reader.set()
        self.stuck = threading.Event()
        self.written = threading.Event()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        if not self.reader.is_set():
            self.stuck.set()
            assert self.reader.wait(30)
        self.pieces.append(text)
        self.written.set()
        return len(text)

    def lines(self) -> list[str]:
        return "".join(self.pieces).splitlines()


def test_a_line_is_written_at_once_where_nobody_asked_for_anything_else() -> None:
    stream = Gate()

    LineWriter(stream).info("one")

    assert stream.lines() == ["one"]


def test_a_buffered_line_is_written_soon_although_nothing_follows() -> None:
    stream = Gate()
    lines = LineWriter(stream)

    with lines.buffered():
        for line in ("one", "two"):  # also the second time the writer has to be woken
            stream.written.clear()
            lines.info(line)
            assert stream.written.wait(5)

        assert stream.lines() == ["one", "two"]


@pytest.mark.parametrize("level", ["warning", "error", "critical"])
def test_what_is_serious_is_written_before_the_call_returns_behind_what_waits(level: str) -> None:
    stream = Gate()
    lines = LineWriter(stream)

    with lines.buffered():
        lines.info("before")
        getattr(lines, level)("serious")

        assert stream.lines() == ["before", "serious"]


def test_what_waits_at_the_end_is_written_and_nothing_waits_after_it() -> None:
    stream = Gate()
    lines = LineWriter(stream)

    with lines.buffered():
        for n in range(100):
            lines.info(str(n))
    at_the_end = stream.lines()
    lines.info("later")

    assert at_the_end == [str(n) for n in range(100)]
    assert stream.lines()[-1] == "later"


def test_lines_of_many_threads_are_all_written_each_whole_and_in_its_order() -> None:
    stream = Gate()
    lines = LineWriter(stream)

    def talk(name: int) -> None:
        for n in range(3 * MOST_LINES):
            (lines.warning if n % 1000 == 0 else lines.info)(f"{name} {n}")

    with lines.buffered():
        threads = [threading.Thread(target=talk, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for name in range(4):
        said = [int(n) for who, n in map(str.split, stream.lines()) if who == str(name)]
        assert said == list(range(3 * MOST_LINES))


@pytest.mark.parametrize("text", ["x", "\N{SNOWMAN}"])
def test_lines_are_written_together_in_pieces_that_a_pipe_takes_whole(text: str) -> None:
    stream = Gate()
    lines = LineWriter(stream)

    with lines.buffered():
        for _ in range(1000):
            lines.info(text * 100)

    assert all(piece.endswith("\n") for piece in stream.pieces)
    assert 1 < len(stream.pieces) < 500
    assert max(len(piece.encode()) for piece in stream.pieces) <= 4096


def test_who_says_more_than_is_read_waits_for_the_reader_and_nothing_is_lost() -> None:
    stream = Gate()
    lines = LineWriter(stream)
    said = 0

    def talk() -> None:
        nonlocal said
        for n in range(2 * MOST_LINES):
            lines.info(f"{n}".ljust(4000))
            said = n

    with lines.buffered():
        stream.reader.clear()
        talker = threading.Thread(target=talk)
        talker.start()
        assert stream.stuck.wait(5)
        talker.join(0.5)
        said_meanwhile = said
        stream.reader.set()
        talker.join()

    assert said_meanwhile <= MOST_LINES + 1
    assert [int(line) for line in stream.lines()] == list(range(2 * MOST_LINES))


def test_a_long_line_does_not_wait() -> None:
    stream = Gate()
    lines = LineWriter(stream)

    with lines.buffered():
        lines.info("before")
        lines.info("x" * (LONG_LINE + 1))

        assert len(stream.lines()) == 2


def run(code: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    prelude = """
import os, signal, sys, threading, structlog
from taskqueue.logs import pipeline as logs
logs.configure("json", "info")
log = structlog.get_logger()
"""
    return subprocess.run(
        [sys.executable, "-c", prelude + code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
        timeout=30,
        **how,
    )


def events(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return [json.loads(line)["event"] for line in done.stdout.splitlines()]


def test_an_error_outlives_the_kill_that_follows_it_and_takes_along_what_was_before() -> None:
    done = run("""
with logs.buffered():
    log.info("before")
    log.error("serious")
    os.kill(os.getpid(), signal.SIGKILL)
""")

    assert done.returncode == -signal.SIGKILL
    assert events(done) == ["before", "serious"]


def test_an_exit_from_the_midst_writes_everything_also_what_is_logged_at_the_very_end() -> None:
    done = run("""
import atexit
atexit.register(lambda: log.info("at exit"))
with logs.buffered():
    log.info("inside")
    sys.exit(3)
""")

    assert done.returncode == 3
    assert events(done) == ["inside", "at exit"]


def test_a_forked_child_repeats_no_line_and_loses_none_of_its_own() -> None:
    done = run("""
with logs.buffered():
    for n in range(50):
        log.info("parent", n=n)
        child = os.fork()
        if child == 0:
            log.info("child", n=n)
            os._exit(0)
        os.waitpid(child, 0)
""")

    assert sorted(events(done)) == ["child"] * 50 + ["parent"] * 50


def test_a_child_forked_while_another_thread_writes_can_log() -> None:
    done = run("""
stop = threading.Event()
def talk():
    while not stop.is_set():
        log.warning("talk")
with logs.buffered():
    threads = [threading.Thread(target=talk) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(30):
        child = os.fork()
        if child == 0:
            log.warning("child")
            os._exit(0)
        os.waitpid(child, 0)
    stop.set()
    for thread in threads:
        thread.join()
""")

    assert done.returncode == 0
    assert events(done).count("child") == 30


def test_a_reader_that_leaves_ends_no_buffered_service() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                """
import structlog, sys
from taskqueue.logs import pipeline as logs
logs.configure("json", "info")
with logs.buffered():
    for n in range(10000):
        structlog.get_logger().info("said", n=n)
""",
            ],
            cwd=ROOT,
            stdout=nobody,
            stderr=subprocess.PIPE,
            check=False,
            timeout=30,
        )

    assert (done.returncode, done.stderr) == (0, b"")


def test_what_logs_in_the_midst_of_a_line_is_written_behind_it() -> None:
    class Halting(Gate):
        def write(self, text: str) -> int:
            half = len(text) // 2
            super().write(text[:half])
            if text.startswith("outer"):
                lines.error("inner")  # as a finaliser or the handler of a signal does
            super().write(text[half:])
            return len(text)

    stream = Halting()
    lines = LineWriter(stream)

    lines.error("outer line")

    assert stream.lines() == ["outer line", "inner"]


def test_a_signal_may_log_while_a_line_is_written() -> None:
    done = run("""
said = 0
def on_alarm(*_):
    global said
    said += 1
    log.info("alarm")
signal.signal(signal.SIGALRM, on_alarm)
with logs.buffered():
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    while said < 200:
        log.info("line")
    signal.setitimer(signal.ITIMER_REAL, 0)
print("{\\"event\\": \\"lived\\"}")
""")

    assert done.returncode == 0
    assert events(done)[-1] == "lived"
