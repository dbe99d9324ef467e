"""The table of OTP's cases in the documentation names exactly the tests that there are."""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CONFORMANCE = Path(__file__).parent / "conformance"
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| (?:`(\S+)`|none) \| ([^|:]+)(?:: ([^|]+))? \|$", re.M)


class Case(NamedTuple):
    """A row of the table."""

    number: str
    name: str
    test: str
    here: str
    how: str


TABLE = [Case(*row) for row in ROW.findall((ROOT / "docs" / "otp.md").read_text())]


def existing_tests() -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    return {
        f"{path.name}::{node.name}": node
        for path in sorted(CONFORMANCE.glob("test_*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_the_table_has_all_cases_in_otps_order() -> None:
    assert [case.number for case in TABLE] == [str(number) for number in range(1, 89)]
    assert len({case.name for case in TABLE}) == 88


def test_the_table_counts_as_the_text_does() -> None:
    counted = Counter(case.here for case in TABLE)

    assert counted == {"same": 61, "adapted": 18, "not applicable": 9}


def test_every_test_stands_in_the_table_and_every_test_in_the_table_exists() -> None:
    listed = [case.test for case in TABLE if case.test]

    assert sorted(listed) == sorted(existing_tests())
    assert len(listed) == 79


def test_each_test_is_called_after_its_case() -> None:
    for case in TABLE:
        assert case.test == "" or case.test.endswith(f"::test_{case.name}")


def test_what_is_not_the_same_says_how_or_why() -> None:
    tests = existing_tests()

    for case in TABLE:
        adapted = case.here == "adapted"
        assert bool(case.how) == (case.here != "same"), case.name
        assert bool(case.test) == (case.here != "not applicable"), case.name
        if case.test:
            docstring = ast.get_docstring(tests[case.test]) or ""
            assert docstring.startswith("Adapted: ") == adapted, case.name
