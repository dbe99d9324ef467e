"""The lines that are kept of an attempt: the latest, within limits, whatever is logged."""

import threading

import msgspec
import structlog

from taskqueue.api.attempt_logger import attempt_logger
from taskqueue.attempt_log import (
    MAX_BYTES,
    MAX_LINES,
    MAX_MESSAGE,
    AttemptLog,
    KeptLog,
    Lines,
    line_of,
)


def kept(log: AttemptLog) -> KeptLog:
    text = log.text()
    assert text is not None
    return msgspec.json.decode(text, type=KeptLog)


def messages(log: AttemptLog) -> list[str]:
    return [line.message for line in kept(log).lines]


def one(message: str) -> Lines:
    return Lines((line_of(at=1.0, level="info", message=message),), 0)


def test_an_attempt_that_logs_nothing_keeps_nothing() -> None:
    assert AttemptLog().text() is None


def test_the_last_lines_win_and_the_others_are_counted() -> None:
    log = AttemptLog()

    for number in range(MAX_LINES + 7):
        log.add(one(str(number)))

    assert messages(log) == [str(number) for number in range(7, MAX_LINES + 7)]
    assert kept(log).dropped == 7


def test_all_lines_together_have_at_most_16_kib() -> None:
    log = AttemptLog()

    for number in range(50):
        log.add(one(f"{number} {'é' * 900}"))

    text = log.text()
    assert text is not None
    assert MAX_BYTES - 2_000 < len(text.encode()) <= MAX_BYTES + 200
    assert messages(log)[-1].startswith("49 ")
    assert len(messages(log)) + kept(log).dropped == 50


def test_a_line_fits_whatever_is_in_it() -> None:
    log = AttemptLog()

    for text in ("\x01" * 10**6, "🧵" * 10**6):
        log.add(one(text))

        assert len(messages(log)[-1]) == MAX_MESSAGE
        assert messages(log)[-1].endswith("…")


def test_what_was_dropped_elsewhere_counts() -> None:
    log = AttemptLog()
    log.add(one("first"))

    taken = log.take()
    log.add(Lines(taken.lines, 3))

    assert (messages(log), kept(log).dropped) == (["first"], 3)
    assert log.take().dropped == 3
    assert log.text() is None


def test_threads_lose_no_line() -> None:
    log = AttemptLog()

    def write() -> None:
        for _ in range(1_000):
            log.add(one("x"))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(messages(log)) + kept(log).dropped == 8_000


class Odd:
    """A value that cannot be shown."""

    def __repr__(self) -> str:
        raise KeyError("odd")


def logger_of(log: AttemptLog) -> structlog.typing.FilteringBoundLogger:
    inner = structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[lambda _, __, ___: ""],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    ).bind()
    return attempt_logger(inner, log.add, {"task_id": "1", "attempt": 2})


def test_a_line_has_its_level_its_fields_and_none_that_every_line_has() -> None:
    log = AttemptLog()
    logger = logger_of(log)

    logger.info("opened", file="a.png", size=3)
    logger.bind(user=7).warning("slow: %d s", 9)
    logger.debug("not in the log, so not kept")

    assert [(line.level, line.message) for line in kept(log).lines] == [
        ("info", "opened file='a.png' size=3"),
        ("warning", "slow: 9 s user=7"),
    ]


def fail(text: str) -> None:
    raise ValueError(text)


def test_an_exception_is_kept_with_the_end_of_its_traceback() -> None:
    log = AttemptLog()

    try:
        fail("x" * 600 + " the end")
    except ValueError:
        logger_of(log).exception("failed " + "y" * 5_000)

    [line] = kept(log).lines
    assert line.level == "error"
    assert line.message.startswith("failed yyy")
    assert line.message.endswith("x the end")
    assert len(line.message) <= MAX_MESSAGE


def test_values_that_cannot_be_shown_fail_no_log_call() -> None:
    log = AttemptLog()

    logger_of(log).info(Odd(), value=Odd(), half="\ud800", nul="\0")  # type: ignore[arg-type]

    [message] = messages(log)
    assert message.startswith("<no text: KeyError> value=<no text: KeyError>")
