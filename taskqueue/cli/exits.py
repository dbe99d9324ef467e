"""How a command ends: its exit code, and one line on standard error that says how to go on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from taskqueue.errors import (
    AccessDenied,
    CallRefused,
    ConfigError,
    GroupClosed,
    GroupNotFound,
    InvalidTask,
    KeyConflict,
    KeyTaken,
    ServiceUnavailable,
    TaskNotFound,
    TaskQueueError,
)

OK, FAILED, MISUSED, UNREACHABLE, REFUSED = range(5)

_ELSEWHERE = "is it running there? --url or TASKQUEUE_URL says where it is"
_ACCESS = (
    "give a token of the right role with --token or TASKQUEUE_TOKEN; `taskqueue tokens` makes it"
)


@contextmanager
def reported() -> Iterator[None]:
    """End the command with the code and the line of an error that is raised in this block."""
    try:
        yield
    except TaskQueueError as error:
        end(code_of(error), line_of(error))


def code_of(error: TaskQueueError) -> int:
    """Return the exit code for an error."""
    match error:
        case ConfigError():
            return MISUSED
        case ServiceUnavailable():
            return UNREACHABLE
        case CallRefused() | InvalidTask() | KeyConflict() | KeyTaken() | GroupClosed():
            return REFUSED
        case TaskNotFound() | GroupNotFound():
            return REFUSED
        case _:
            return FAILED


def line_of(error: TaskQueueError) -> str:
    """Return what is wrong, and what to do about it if the error itself does not say that."""
    text = " ".join(str(error).split())
    match error:
        case ServiceUnavailable(status=None):
            return f"{text}; {_ELSEWHERE}"
        case AccessDenied():
            return f"{text}; {_ACCESS}"
        case _:
            return text


def end(code: int, line: str) -> NoReturn:
    """End the command, with this line on standard error."""
    complain(line)
    sys.exit(code)


def complain(line: str) -> None:
    """Say on standard error what is wrong."""
    click.echo(f"taskqueue: {line}", err=True)
