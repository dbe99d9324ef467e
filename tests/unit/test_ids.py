"""Ids are UUIDs of version 7 that sort by the time they were made."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskqueue.ids import UUID7Factory

MILLISECOND = 1_000_000


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // MILLISECOND

    made = UUID(UUID7Factory()())

    after = time.time_ns() // MILLISECOND
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_grow_strictly_within_a_millisecond() -> None:
    make = UUID7Factory()

    made = [make() for _ in range(20_000)]

    assert made == sorted(set(made))


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_switches")
def test_ids_of_many_threads_grow_strictly_and_never_repeat_although_the_clock_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("taskqueue.ids.time_ns", lambda: MILLISECOND)
    make = UUID7Factory()

    start = threading.Barrier(8, timeout=30)

    def many(_: int) -> list[str]:
        start.wait()
        return [make() for _ in range(4_000)]

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(many, range(8)))

    assert all(run == sorted(run) for run in runs)
    stamps = [made[:18] for run in runs for made in run]  # without the random part
    assert len(set(stamps)) == 32_000


@given(st.lists(st.integers(min_value=0, max_value=2**48 * MILLISECOND // 2), min_size=2))
def test_ids_grow_strictly_whatever_the_clock_does(instants: list[int]) -> None:
    make = UUID7Factory()
    clock = iter(instants)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskqueue.ids.time_ns", lambda: next(clock))
        made = [make() for _ in instants]

    assert all(UUID(one).version == 7 for one in made)
    assert made == sorted(set(made))


def test_two_ids_share_nothing_but_the_time() -> None:
    make = UUID7Factory()

    tails = {make()[19:] for _ in range(20_000)}

    assert len(tails) == 20_000


FORK = """
import os
from taskqueue.ids import new_id

new_id()  # whoever forks has drawn some already
child = os.fork()
if child:
    os.waitpid(child, 0)
print(new_id()[19:], flush=True)
"""


def test_a_forked_process_draws_its_own_random_bits() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, check=True, timeout=30
    )

    theirs, ours = ran.stdout.split()
    assert ours != theirs
