"""The arguments of a task as JSON, with the name of each that has no JSON form."""

from collections.abc import Iterator, Mapping

import msgspec

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


def payload(action: str, data: bytes) -> str:
    """Return the JSON text of a `Payload`, the data in it byte for byte.

    Raises:
        InvalidTask: the data is not UTF-8.
        TaskTooLarge: the payload has more than 1 MiB.
    """
    encoded = b'{"action":%b,"data":%b}' % (msgspec.json.encode(action), data)
    try:
        return encoding.text_of("payload", encoded)
    except encoding.NotJSON as error:
        raise InvalidTask((Fault("data", str(error)),)) from error


def _faults_of(data: Mapping[str, object]) -> Iterator[Fault]:
    for key, value in data.items():
        try:
            encoding.encode(value)
        except encoding.NotJSON as error:
            yield Fault(f"data.{key}", str(error))
