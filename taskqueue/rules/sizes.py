"""How many consumers a pool is meant to have, and how many slots each of them."""

from typing import TypeAlias

from msgspec import UNSET, UnsetType

from taskqueue.structs import Struct

MAX_CONSUMERS = 1024
MAX_SLOTS = 1024

Wanted: TypeAlias = int | UnsetType | None
"""A number, None for the configured one, UNSET for the present one."""


class ConsumersSize(Struct):
    """The number of shared consumers that holds, and the configured one.

    `is_changed` tells whether a call has set the number, which then holds over restarts.
    """

    count: int
    configured: int
    is_changed: bool


class Capacity(Struct):
    """So many consumers with so many slots each."""

    count: int
    slots: int


class PoolSize(Struct):
    """The size of the pool that serves `queues`, and the configured one.

    `is_changed` tells whether a call has set either number, which then holds over restarts.
    """

    queues: tuple[str, ...]
    count: int
    slots: int
    configured: Capacity
    is_changed: bool


class SetSize(Struct):
    """What calls have set of the size of a pool; None of what holds as it is configured."""

    count: int | None = None
    slots: int | None = None

    def over(self, configured: Capacity) -> Capacity:
        """Return the size that holds.

        >>> SetSize(slots=8).over(Capacity(count=2, slots=32))
        Capacity(count=2, slots=8)
        """
        return Capacity(
            count=configured.count if self.count is None else self.count,
            slots=configured.slots if self.slots is None else self.slots,
        )

    def changed(self, change: "SizeChange") -> "SetSize":
        """Return it with a change.

        >>> SetSize(count=3, slots=8).changed(SizeChange(count=None))
        SetSize(count=None, slots=8)
        """
        return SetSize(
            count=self.count if change.count is UNSET else change.count,
            slots=self.slots if change.slots is UNSET else change.slots,
        )

    @property
    def is_empty(self) -> bool:
        """Whether all is as configured."""
        return self == SetSize()


class SizeChange(Struct):
    """A change of the size of a pool."""

    count: Wanted = UNSET
    slots: Wanted = UNSET


def size_of(stored: int | None, configured: int) -> ConsumersSize:
    """Return the size for a number that is stored, None if none is."""
    count = configured if stored is None else stored
    return ConsumersSize(count=count, configured=configured, is_changed=stored is not None)


def pool_size(queues: tuple[str, ...], set_: SetSize, configured: Capacity) -> PoolSize:
    """Return the size of the pool that serves these queues."""
    holds = set_.over(configured)
    return PoolSize(
        queues=queues,
        count=holds.count,
        slots=holds.slots,
        configured=configured,
        is_changed=not set_.is_empty,
    )
