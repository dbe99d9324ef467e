"""When a worker process is replaced."""

import doctest

import pytest

from taskqueue.rules import recycling
from taskqueue.rules.recycling import ProcessPolicy, is_worn


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(recycling)

    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("max_tasks", "max_memory_mb", "tasks", "memory_mb", "worn"),
    [
        (0, 0, 1_000_000, 1e6, False),  # nobody asked for it
        (3, 0, 2, 1e6, False),
        (3, 0, 3, None, True),
        (0, 100, 1_000_000, 100.0, False),
        (0, 100, 1, 100.1, True),
        (0, 100, 1, None, False),  # it cannot be read
        (3, 100, 1, 100.1, True),
    ],
)
def test_it_is_replaced_at_its_last_task_and_above_its_memory(
    max_tasks: int, max_memory_mb: int, tasks: int, memory_mb: float | None, worn: bool
) -> None:
    policy = ProcessPolicy(max_tasks=max_tasks, max_memory_mb=max_memory_mb)

    assert is_worn(policy, tasks=tasks, memory_mb=memory_mb) is worn
