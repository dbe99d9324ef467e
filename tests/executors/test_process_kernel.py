"""What a process asks of the operating system: its memory."""

import os
import sys
from pathlib import Path

import pytest

from taskqueue.executors.process.memory import Memory

LARGE = 64  # MiB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


def mb(memory: Memory) -> float:
    held = memory.mb()
    assert held is not None
    return held


def descriptors() -> set[int]:
    """Return what is open, but for what is open only to see that."""
    return {int(entry.name) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def test_memory_is_what_is_held_when_it_is_asked_for() -> None:
    memory = Memory()

    before = mb(memory)
    block = b"x" * (LARGE << 20)
    during = mb(memory)
    del block
    after = mb(memory)

    assert during - before > LARGE - 2
    assert during - after > LARGE - 2


def test_memory_is_that_of_a_fork_where_it_is_made_anew() -> None:
    block = b"x" * (LARGE << 20)
    ours = mb(Memory())
    reading, writing = os.pipe()

    if (pid := os.fork()) == 0:
        del block
        os.write(writing, str(mb(Memory())).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = float(os.read(reading, 64))

    for end in (reading, writing):
        os.close(end)
    assert ours - theirs > LARGE / 2


@pytest.mark.parametrize("is_another_file", [True, False])
def test_memory_can_be_told_after_somebody_closed_what_was_not_his(
    tmp_path: Path, is_another_file: bool
) -> None:
    others = descriptors()
    memory = Memory()
    [statm] = descriptors() - others
    before = mb(memory)

    if is_another_file:
        (tmp_path / "other").write_text("other")
        with (tmp_path / "other").open() as other:
            os.dup2(other.fileno(), statm)
    else:
        os.close(statm)

    assert abs(mb(memory) - before) < LARGE
