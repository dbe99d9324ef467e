"""Names and keys: what is checked is what is documented, in every version of Unicode."""

import doctest
import sys
from collections.abc import Iterator

import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskqueue.rules import names
from taskqueue.rules.names import KEY_SCHEMA, MAX_KEY, MAX_NAME, NAME_SCHEMA, is_key, is_name

a_name = jsonschema_rs.validator_for({"type": "string", **NAME_SCHEMA})
a_key = jsonschema_rs.validator_for({"type": "string", **KEY_SCHEMA})


def scalars() -> Iterator[str]:
    """Yield every character; not a list, which each process that collects tests would make."""
    return (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)


@settings(deadline=None)
@given(st.text(max_size=MAX_KEY + 1))
@example("X\u2022\u010c-\u20f3*")  # code points that Unicode has not assigned yet
@example("one line\n")
@example("n" * MAX_NAME)
@example("n" * (MAX_NAME + 1))
@example("k" * MAX_KEY)
@example("k" * (MAX_KEY + 1))
@example("\U0001f426" * MAX_NAME)
def test_the_schema_admits_what_the_check_does(text: str) -> None:
    assert a_name.is_valid(text) == is_name(text)
    assert a_key.is_valid(text) == is_key(text)


def test_both_agree_on_every_character() -> None:
    assert [c for c in scalars() if a_name.is_valid(c) != is_name(c)] == []


def test_every_printable_character_is_allowed() -> None:
    assert [c for c in scalars() if c.isprintable() and not is_name(c)] == []


@pytest.mark.parametrize("text", ["\0", "\t", "\n", "\x85", "\xa0", "\u2028", "\u202e", "\ufeff"])
def test_what_cannot_be_seen_is_refused(text: str) -> None:
    assert not is_name(f"a{text}")


def test_a_lone_surrogate_is_refused() -> None:
    assert not is_name("\ud800")
    assert not is_key("\udfff")


def test_the_examples_are_true() -> None:
    assert doctest.testmod(names).failed == 0
