"""The error that tasks have in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskqueue.rules.summaries import MAX_PATTERN, NO_REASON, error_pattern


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout after 30 s", "timeout after 0.25 s"),
        (
            "no row 0197a4c8-0000-7000-8000-000000000000",
            "no row 01A200E2-B230-7ED7-A593-A8C9D55B1670",
        ),
        ("<Order object at 0x7f3a>", "<Order object at 0x00FF>"),
        (None, ""),
        ("the only attempt failed: OSError", "all 5 attempts failed; last: OSError"),
        ("the only attempt failed: OSError", "OSError"),
        ("x" * MAX_PATTERN + "a", "x" * MAX_PATTERN + "b"),
    ],
)
def test_what_differs_from_task_to_task_does_not_count(one: str | None, other: str) -> None:
    assert error_pattern(one) == error_pattern(other)


def test_other_errors_have_other_patterns() -> None:
    reasons = ("ValueError: 7", "KeyError: 7", "ValueError: 7 apples", "")

    assert len({*map(error_pattern, reasons)}) == len(reasons)
    assert error_pattern(None) == NO_REASON


PARTS = ("the only attempt failed: ", "all 5 attempts failed; last: ", "0x7f", "7", "a")


@given(st.text(max_size=2 * MAX_PATTERN) | st.lists(st.sampled_from(PARTS)).map("".join))
def test_a_pattern_is_its_own_pattern_and_short(reason: str) -> None:
    pattern = error_pattern(reason)

    assert error_pattern(pattern) == pattern
    assert 0 < len(pattern) <= MAX_PATTERN
