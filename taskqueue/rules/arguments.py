"""The arguments of a task as JSON, with the name of each that has no JSON form."""

from collections.abc import Iterator, Mapping

from taskqueue.errors import Fault, InvalidTask
from taskqueue.rules import encoding


def encoded(data: Mapping[str, object]) -> bytes:
    """Return `data` as JSON.

    Raises:
        InvalidTask: an argument has no JSON form; every such argument is a fault.
    """
    try:
        return encoding.encode(data)
    except encoding.NotJSON as error:
        faults = tuple(_faults_of(data))
        raise InvalidTask(faults or (Fault("data", str(error)),)) from error


def _faults_of(data: Mapping[str, object]) -> Iterator[Fault]:
    for key, value in data.items():
        try:
            encoding.encode(value)
        except encoding.NotJSON as error:
            yield Fault(f"data.{key}", str(error))
