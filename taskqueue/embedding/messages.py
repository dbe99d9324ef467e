"""What an application and the process of its service say to each other."""

import pickle
from typing import TypeAlias

from taskqueue.errors import Fault
from taskqueue.settings import Settings
from taskqueue.structs import Struct


class Run(Struct, tag=True):
    """Run the service of the app that the settings name. These are `packed`."""

    folder: str
    path: tuple[str, ...]
    actions: tuple[str, ...]
    settings: bytes


class Ready(Struct, tag=True):
    """The service accepts tasks."""

    url: str


class Refused(Struct, tag=True):
    """The service cannot start."""

    faults: tuple[Fault, ...]


FromService: TypeAlias = Ready | Refused


def packed(settings: Settings) -> bytes:
    """Return settings for a message: with every kind of value, and to the last digit."""
    return pickle.dumps(settings)


def unpacked(data: bytes) -> Settings:
    """Return settings that the process which started this one has `packed`."""
    settings: Settings = pickle.loads(data)  # noqa: S301 - no one else has the other end
    return settings
