"""Ids are UUIDs of version 7 that sort by the time they were made."""

import time
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


def test_ids_grow_strictly_in_each_of_many_threads_and_never_repeat() -> None:
    make = UUID7Factory()

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: [make() for _ in range(2_000)], range(8)))

    assert all(run == sorted(run) for run in runs)
    assert len({made for run in runs for made in run}) == 16_000


@given(st.lists(st.integers(min_value=0, max_value=2**48 * MILLISECOND // 2), min_size=2))
def test_ids_grow_strictly_whatever_the_clock_does(instants: list[int]) -> None:
    make = UUID7Factory()
    clock = iter(instants)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskqueue.ids.time.time_ns", lambda: next(clock))
        made = [make() for _ in instants]

    assert all(UUID(one).version == 7 for one in made)
    assert made == sorted(set(made))
