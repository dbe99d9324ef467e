"""Task ids: UUIDs of version 7 that sort by the time they were made.

Ids of one process grow strictly, also within a millisecond, so "newest first" is "greatest id
first". Source: RFC 9562, sections 5.7 and 6.2 (method 1: a counter in `rand_a`).
"""

import os
import threading
from time import time_ns

_BLOCK = 256  # ids whose random part is drawn at once: a call of the system costs more than an id
_LENGTH = 36
_VARIANT = bytes(0b10 << 6 | byte & 0b111111 for byte in range(256))


class UUID7Factory:
    """Makes UUIDv7 in strictly growing order; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._tails: list[str] = []

    def __call__(self) -> str:
        """Return a new id, greater than all this factory made before."""
        # 48 bits of milliseconds, then the fraction of the millisecond in 12 bits.
        stamp = time_ns() * 4096 // 1_000_000
        with self._lock:
            # A clock that stands still or steps back only advances the counter.
            self._last = stamp = stamp if stamp > self._last else self._last + 1
            if not self._tails:
                self._tails = _random_tails()
            tail = self._tails.pop()
        time_of_it = stamp.to_bytes(8).hex()  # 60 bits, so its first digit is 0
        return f"{time_of_it[1:9]}-{time_of_it[9:13]}-7{time_of_it[13:]}-{tail}"

    def forget_random(self) -> None:
        """Draw again for the next id: a forked process must not repeat its parent's draw."""
        self._lock = threading.Lock()  # the parent's may be held by a thread that is not here
        self._tails = []


def made_at(id_: str) -> float | None:
    """Return when an id was made, in seconds since the epoch by the clock of its maker.

    None if it is no UUID of version 7.

    >>> made_at("01980f5a-3c80-7000-8000-000000000000"), made_at("order-17")
    (1752581684.352, None)
    """
    if len(id_) != _LENGTH or id_[14] != "7":
        return None
    try:
        return int(id_[:8] + id_[9:13], 16) / 1_000
    except ValueError:
        return None


def _random_tails() -> list[str]:
    """Return the ends of a block of ids: the variant, and 62 random bits."""
    block = bytearray(os.urandom(8 * _BLOCK))
    block[::8] = block[::8].translate(_VARIANT)
    return [f"{tail[:4]}-{tail[4:]}" for tail in block.hex(":", 8).split(":")]


new_id = UUID7Factory()
os.register_at_fork(after_in_child=new_id.forget_random)
