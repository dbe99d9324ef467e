"""Task ids: UUIDs of version 7 that sort by the time they were made.

Ids of one process grow strictly, also within a millisecond, so "newest first" is "greatest id
first". Source: RFC 9562, sections 5.7 and 6.2 (method 1: a counter in `rand_a`).
"""

import os
import threading
import time
from uuid import UUID


class UUID7Factory:
    """Makes UUIDv7 in strictly growing order; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> str:
        """Return a new id, greater than all this factory made before."""
        random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
        now = time.time_ns()
        # 48 bits of milliseconds, then the fraction of the millisecond in 12 bits.
        stamp = (now // 1_000_000) << 12 | (now % 1_000_000) * 4096 // 1_000_000
        with self._lock:
            # A clock that stands still or steps back only advances the counter.
            self._last = stamp = max(stamp, self._last + 1)
        milliseconds, fraction = stamp >> 12, stamp & 0xFFF
        return str(UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random))


new_id = UUID7Factory()
