"""Traces: which headers are valid, and which trace code is part of."""

import doctest
import subprocess
import sys

import pytest

from taskqueue.rules import traces
from taskqueue.rules.traces import traceparent_of
from taskqueue.traces import current_traceparent, handling

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"


def test_the_examples_hold() -> None:
    assert doctest.testmod(traces).failed == 0


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (VALID, VALID),
        (f" {VALID} ", VALID),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"cc-{TRACE}-{SPAN}-01-what-a-later-version-adds", VALID),
        (f"{VALID}-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (VALID.upper(), None),
        (VALID[:-1], None),
        (f"{VALID}\n{VALID}", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_only_a_valid_traceparent_is_kept(header: str, kept: str | None) -> None:
    assert traceparent_of(header) == kept


def test_code_of_a_handler_is_part_of_the_trace_of_its_task() -> None:
    token = handling.set(VALID)
    try:
        assert current_traceparent() == VALID
    finally:
        handling.reset(token)
    assert current_traceparent() is None


def python(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )


def test_opentelemetry_is_imported_by_its_own_module_only() -> None:
    program = "import sys, taskqueue.service, taskqueue.cli.command, taskqueue.client.aio"

    done = python(f"{program}; sys.exit('opentelemetry' in sys.modules)")

    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_extra_the_error_says_what_to_install() -> None:
    done = python("import sys; sys.modules['opentelemetry'] = None; import taskqueue.opentelemetry")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: taskqueue.opentelemetry needs OpenTelemetry: "
        "pip install 'taskqueue-otp[opentelemetry]'"
    )
