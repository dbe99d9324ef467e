"""What a log line looks like, and what a log call survives."""

import io
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from taskqueue.logger import log
from taskqueue.logs import pipeline as logs
from taskqueue.logs.terminal import Columns
from taskqueue.rules.tasks import Status
from taskqueue.settings import LogFormat, LogLevel
from tests.executors import odd

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _configuration_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        structlog.reset_defaults()
        log.service = None
        root.handlers[:] = handlers
        root.setLevel(level)


class Journal:
    """A configured stream and what was written to it."""

    def __init__(self, level: LogLevel = "debug") -> None:
        self.stream = io.StringIO()
        logs.configure("json", level, self.stream)
        self.log: Any = structlog.get_logger()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def field(self, value: object) -> object:
        self.log.info("shown", value=value)
        return self.lines()[-1]["value"]


def fail(text: str) -> None:
    raise LookupError(text)


# --- the line ------------------------------------------------------------------------------------


def test_a_line_is_an_object_that_begins_with_time_level_and_event() -> None:
    journal = Journal()

    journal.log.bind(actor="queue").warning("task_rescued", attempt=2)

    [line] = journal.lines()
    assert list(line) == ["time", "level", "event", "actor", "attempt"]
    assert (line["level"], line["event"], line["attempt"]) == ("warning", "task_rescued", 2)


def test_the_time_is_utc_in_iso_form() -> None:
    journal = Journal()

    before = datetime.now(UTC)
    journal.log.info("tick")
    after = datetime.now(UTC)

    assert journal.lines()[0]["time"].endswith("Z")
    assert before <= datetime.fromisoformat(journal.lines()[0]["time"]) <= after


def test_a_handler_that_replaces_datetime_does_not_keep_a_line_from_being_written() -> None:
    journal = Journal()

    with mock.patch("datetime.datetime", None):
        journal.log.info("seen")
        journal.log.info("seen", value=object())

    assert [line["event"] for line in journal.lines()] == ["seen", "seen"]


def test_what_the_context_holds_is_on_every_line() -> None:
    journal = Journal()

    with structlog.contextvars.bound_contextvars(task_id="7"):
        journal.log.info("inside")
    journal.log.info("outside")

    assert [line.get("task_id") for line in journal.lines()] == ["7", None]


def test_what_is_below_the_level_is_not_written() -> None:
    journal = Journal(level="warning")

    journal.log.info("chatter")
    journal.log.error("trouble")

    assert [line["event"] for line in journal.lines()] == ["trouble"]


def test_an_exception_is_kept_as_text_with_its_traceback() -> None:
    journal = Journal()

    try:
        fail("no such\nthing")
    except LookupError:
        journal.log.exception("failed")

    [line] = journal.lines()
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("LookupError: no such\nthing")


@pytest.mark.parametrize("kind", odd.ERRORS)
@pytest.mark.parametrize("form", ["json", "console"])
def test_an_exception_that_cannot_be_rendered_is_logged_with_what_could_be(
    form: LogFormat, kind: str
) -> None:
    stream = io.StringIO()
    logging.getLogger().handlers.clear()  # pytest's own cannot render them
    logs.configure(form, "info", stream)
    error = odd.ERRORS[kind]()

    structlog.get_logger().info("seen", exc_info=error)
    structlog.get_logger().info("said", error=error)
    structlog.get_logger().info(error)
    if kind not in {"NoTruth", "NoAttribute"}:  # `logging` itself asks them, in its caller
        logging.getLogger("library").error("told", exc_info=error)

    said = stream.getvalue()
    assert said.count("seen") == 1
    assert kind.partition(" ")[0] in said
    assert said.count("told") == (kind not in {"NoTruth", "NoAttribute"})


@pytest.mark.parametrize("exc_info", [True, 1, "yes", (None, None, None), odd.NoTruth])
def test_an_exception_that_is_not_there_is_not_logged(exc_info: object) -> None:
    journal = Journal()

    journal.log.info("seen", exc_info=exc_info)

    assert "exception" not in journal.lines()[0]


# --- the short way -------------------------------------------------------------------------------


_NAMES = st.sampled_from(
    ["task_id", "attempt", "time", "level", "exc_info", "logger", "ä", "\ud800"]
)
_VALUES = st.one_of(
    st.text(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.sampled_from([2**64, "\ud800", 0.5, float("nan"), b"x", Status.DEAD, Path("a"), [1], {}]),
)
_FIELDS = st.dictionaries(_NAMES, _VALUES, max_size=4)


@given(
    event=st.one_of(st.text(), st.sampled_from([Status.DEAD, None])),
    bound=st.dictionaries(_NAMES | st.just("event"), _VALUES, max_size=2),
    in_context=st.dictionaries(_NAMES, _VALUES, max_size=1),
    fields=_FIELDS,
)
def test_a_frequent_line_is_what_the_usual_way_would_make_of_it(
    event: Any, bound: dict[str, Any], in_context: dict[str, Any], fields: dict[str, Any]
) -> None:
    journal = Journal()
    log = journal.log.bind(**bound)

    with structlog.contextvars.bound_contextvars(**in_context):
        log.info(event, **fields)
        log.msg(event, **fields)  # structlog's other word for it, to which nobody has shown the way

    said = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "now", journal.stream.getvalue())
    short, usual, _ = said.split("\n")
    assert short == usual


def test_arguments_are_put_into_the_text() -> None:
    journal = Journal()

    journal.log.info("%s of %d", "one", 2)

    assert journal.lines()[0]["event"] == "one of 2"


@pytest.mark.parametrize(
    ("event", "args", "shown"),
    [
        ("%s %s", (1,), "%s %s (1,)"),
        ("%d", ("x",), "%d ('x',)"),
        ("done", (1, 2), "done (1, 2)"),
        ("%(a)d", ({"a": "x"},), "%(a)d ({'a': 'x'},)"),
        ("%(a)d", ({"a": 7},), "7"),
        (7, (1,), "7 (1,)"),
        ("%s", (odd.NoText(),), "%s <no text: KeyError>"),
    ],
)
@pytest.mark.parametrize("method", ["debug", "info", "warning", "error", "critical", "exception"])
@pytest.mark.parametrize("form", ["json", "console"])
def test_arguments_that_do_not_fit_are_put_behind_the_text(
    form: LogFormat, method: str, event: Any, args: tuple[object, ...], shown: str
) -> None:
    stream = io.StringIO()
    logs.configure(form, "debug", stream)

    getattr(structlog.get_logger(), method)(event, *args)

    assert shown in stream.getvalue()


def test_what_is_said_with_each_task_passes_no_processor() -> None:
    journal = Journal()
    log = journal.log.bind()
    ContextVar[int]("of another library").set(1)
    called: list[str] = []

    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name))
    log.info("attempt_started", task_id="7", action="echo", attempt=1, consumer="consumer-1")
    sys.setprofile(None)

    assert len(journal.lines()) == 1
    assert not {"merge_contextvars", "add_log_level", "render_json"} & set(called)


def test_whoever_captures_the_log_hears_also_what_is_frequent() -> None:
    journal = Journal()
    log = journal.log.bind()

    log.info("before")
    with structlog.testing.capture_logs() as captured:
        log.info("within")
    log.info("after")

    assert [each["event"] for each in captured] == ["within"]
    assert [line["event"] for line in journal.lines()] == ["before", "after"]


# --- the form ------------------------------------------------------------------------------------


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", _Terminal, False),
        ("json", _Terminal, True),
        ("console", io.StringIO, False),
    ],
)
def test_a_terminal_gets_columns_and_a_pipe_json(
    form: Any, stream: Callable[[], io.StringIO], *, is_json: bool
) -> None:
    target = stream()

    logs.configure(form, "info", target)
    structlog.get_logger().info("started", port=8080)

    assert target.getvalue().startswith("{") is is_json
    assert ("\x1b[" in target.getvalue()) is (form == "auto" and not is_json)
    assert "started" in target.getvalue()
    assert "8080" in target.getvalue()


def _lines(event: dict[str, object], *, width: int = 40) -> list[str]:
    return Columns(width=lambda: width, coloured=False)(None, "info", event).splitlines()


def test_a_line_breaks_between_words_and_goes_on_below_its_event() -> None:
    event = {"event": "task_completed", "level": "info", "task_id": "7" * 18, "why": "no reason"}

    first, *others = _lines(event)

    assert first[8:] == " info     task_completed"
    assert others == [" " * 18 + "task_id=" + "7" * 18, " " * 18 + "why='no reason'"]


@pytest.mark.parametrize("width", [1, 17, 18])
def test_a_terminal_that_is_too_narrow_gets_every_word(width: int) -> None:
    event = {"event": "tick", "level": "info", "n": 1}

    assert " ".join(_lines(event, width=width)).split()[1:] == ["info", "tick", "n=1"]


def test_a_child_is_named_by_its_path() -> None:
    event = {"event": "child_started", "level": "info", "supervisor": "root", "child_id": "queue"}

    [line] = _lines(event | {"pid": "urn:uuid:7", "incarnation": 1}, width=80)

    assert line[8:] == " info     child_started root/queue incarnation=1"


def test_no_value_says_anything_to_the_terminal() -> None:
    event = {"event": "\x1b[2J\nx", "level": "info", "\r": "\x9b", "exception": "a\n\x07b"}

    lines = _lines(event, width=80)

    assert lines[0][8:] == r" info     \x1b[2J x '\r'='\x9b'"
    assert lines[1:] == ["a", r"\x07b"]


@pytest.mark.parametrize(
    ("env", "is_coloured"),
    [
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_a_terminal_is_coloured_unless_it_should_not_be(
    env: dict[str, str], *, is_coloured: bool
) -> None:
    stream = _Terminal()

    with mock.patch.dict("os.environ", {"TERM": "xterm", "NO_COLOR": ""} | env):
        logs.configure("auto", "info", stream)
    structlog.get_logger().error("failed", port=8080)

    assert ("\x1b[" in stream.getvalue()) is is_coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue())[8:] == " error    failed port=8080\n"


# --- values --------------------------------------------------------------------------------------


class _Colour(Enum):
    RED = "red"


@dataclass
class _Point:
    x: int
    where: Path


class _Pair(msgspec.Struct):
    left: object
    right: object


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("never show me")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Path("a/b"), "a/b"),
        (b'{"a":1}', '{"a":1}'),
        (b"\xff\x00", "\\xff\x00"),
        (msgspec.Raw(b"[1]"), "[1]"),
        (ValueError("no"), "ValueError: no"),
        (Status.DEAD, "dead"),
        (_Colour.RED, "red"),
        (_Point(1, Path("p")), {"x": 1, "where": "p"}),
        (_Pair(_Colour.RED, {3: (b"x",)}), {"left": "red", "right": {"3": ["x"]}}),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        ({4}, [4]),
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (2**100, 2**100),
        (1 << 100_000, "<an integer of 100,001 bits>"),
        ([-1 << 100_000], ["<an integer of 100,001 bits>"]),
        ("\ud800", "\ud800"),
        (_Unprintable(), "<_Unprintable that cannot be shown>"),
        ([_Unprintable()], "<list that cannot be shown>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_is_not_json_is_shown_sanely(value: object, shown: object) -> None:
    assert Journal().field(value) == shown


def test_a_value_that_contains_itself_does_not_go_on_for_ever() -> None:
    ring: list[object] = []
    ring.append(ring)

    assert str(Journal().field(ring)).count("[") < 20


def test_columns_survive_the_same_values() -> None:
    stream = io.StringIO()
    logs.configure("console", "info", stream)

    structlog.get_logger().info(
        "shown", one=_Unprintable(), two=[_Unprintable()], three=b"x", four=1 << 100_000
    )

    assert stream.getvalue().count("that cannot be shown") == 2


def test_an_event_may_be_anything() -> None:
    journal = Journal()

    journal.log.info(_Unprintable())

    assert journal.lines()[0]["event"] == "<_Unprintable that cannot be shown>"


# --- where it goes -------------------------------------------------------------------------------


class _CountsWrites(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


def test_a_line_is_in_one_write_from_whichever_thread() -> None:
    stream = _CountsWrites()
    logs.configure("json", "info", stream)
    log = structlog.get_logger()
    together = threading.Barrier(4)

    def talk(name: int) -> None:
        together.wait()
        for n in range(200):
            log.info("said", name=name, n=n)

    threads = [threading.Thread(target=talk, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    said = [json.loads(line) for text in stream.writes for line in text.splitlines()]
    assert all(text.endswith("\n") for text in stream.writes)
    for name in range(4):
        assert [line["n"] for line in said if line["name"] == name] == list(range(200))


def test_a_line_may_be_logged_in_the_midst_of_another() -> None:
    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            if "outer" in text:
                structlog.get_logger().info("inner")  # as a signal handler or a finaliser would
            return super().write(text)

    stream = Interrupted()
    logs.configure("json", "info", stream)

    structlog.get_logger().info("outer")

    said = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert said == ["outer", "inner"]


def test_a_closed_stream_loses_lines_and_nothing_else() -> None:
    journal = Journal()

    journal.stream.close()
    journal.log.info("lost")


_TALKS = """
import sys, structlog
from taskqueue.logs import pipeline as logs
logs.configure("auto", "info")
for n in range(5000):
    structlog.get_logger().info("said", n=n, text="ä")
print("lived", file=sys.stderr)
"""


def test_a_reader_that_leaves_does_not_end_the_service() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _TALKS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as service:
        assert service.stdout is not None
        assert service.stderr is not None

        first = json.loads(service.stdout.readline())
        service.stdout.close()

        assert service.stderr.read() == b"lived\n"
        assert service.wait() == 0
    assert (first["event"], first["text"]) == ("said", "ä")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_does_not_end_the_service() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", _TALKS],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert done.stderr.splitlines()[0] == b"lived"


# --- libraries -----------------------------------------------------------------------------------


def test_what_libraries_warn_of_comes_out_in_the_same_form() -> None:
    journal = Journal()

    logging.getLogger("asyncio").warning("took %.1f s", 0.5)

    [line] = journal.lines()
    assert list(line)[:3] == ["time", "level", "event"]
    assert (line["level"], line["event"]) == ("warning", "took 0.5 s")
    assert line["logger"] == "asyncio"


@pytest.mark.parametrize("library", ["pykka", "aiosqlite", "aiohttp.access", "asyncio"])
def test_the_chatter_of_libraries_is_not_written(library: str) -> None:
    journal = Journal()

    logging.getLogger(library).debug("chatter")
    logging.getLogger(library).info("chatter")

    assert journal.lines() == []


def test_an_exception_of_a_library_keeps_its_traceback() -> None:
    journal = Journal()

    try:
        fail("gone")
    except LookupError:
        logging.getLogger("aiohttp.server").exception("unhandled")

    assert journal.lines()[0]["exception"].endswith("LookupError: gone")


def test_a_level_that_a_library_made_up_is_shown_as_the_one_below() -> None:
    journal = Journal()

    logging.getLogger("odd").log(35, "in between")
    logging.getLogger("odd").log(99, "beyond")

    assert [line["level"] for line in journal.lines()] == ["warning", "critical"]


def test_configuring_again_does_not_double_what_libraries_say() -> None:
    Journal()
    journal = Journal()

    logging.getLogger("asyncio").error("once")

    assert len(journal.lines()) == 1
