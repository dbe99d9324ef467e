"""Output: what several processes write to one pipe stays in whole lines."""

import multiprocessing
import os
import threading
from collections.abc import Iterator

import pytest

from taskqueue.logs.output import Output

LINES = 100
LONG = 3 * 65536  # more than a pipe holds


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def read_lines(reading: int, count: int) -> list[bytes]:
    with open(reading, "rb", closefd=False) as stream:
        return [stream.readline() for _ in range(count)]


def write_lines(output: Output, letter: str, size: int) -> None:
    for _ in range(LINES):
        output.write(letter * size + "\n")


def test_processes_that_write_long_lines_to_one_pipe_tear_none(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    output = Output(writing)
    sizes = {"a": LONG, "b": LONG, "c": 10, "d": 10}
    # Forked, as workers are: the child has the descriptor that its parent writes to.
    fork = multiprocessing.get_context("fork")
    writers = [
        fork.Process(target=write_lines, args=(output, letter, size))
        for letter, size in sizes.items()
    ]

    for each in writers:
        each.start()
    lines = read_lines(reading, LINES * len(sizes))
    for each in writers:
        each.join()

    whole = {letter.encode() * size + b"\n" for letter, size in sizes.items()}
    assert {line[:20] for line in lines if line not in whole} == set()


def test_a_process_that_is_told_to_end_does_not_wait_for_one_that_holds_the_pipe(
    pipe: tuple[int, int],
) -> None:
    _, writing = pipe
    holder, other = Output(writing), Output(writing)
    # Nothing is read, so the first waits for the reader, in the midst of its line.
    holding = threading.Thread(target=holder.write, args=("a" * LONG,), daemon=True)
    holding.start()
    while other._try_lock():  # until the other one has it
        other._unlock()

    other.stop_waiting()
    other.write("b\n")
    holder.stop_waiting()
    holding.join()

    assert not holding.is_alive()
