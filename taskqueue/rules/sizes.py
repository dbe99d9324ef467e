"""How many shared consumers there are meant to be."""

from taskqueue.structs import Struct


class ConsumersSize(Struct):
    """The number that holds, and the configured one.

    `is_changed` tells whether a call has set the number, which then holds over restarts.
    """

    count: int
    configured: int
    is_changed: bool


def size_of(stored: int | None, configured: int) -> ConsumersSize:
    """Return the size for a number that is stored, None if none is."""
    count = configured if stored is None else stored
    return ConsumersSize(count=count, configured=configured, is_changed=stored is not None)
