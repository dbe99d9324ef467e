"""Handlers report that they run, and when, to a port of this machine."""

import socket
import time
from types import TracebackType
from typing import Self

SILENCE_S = 30.0  # a worker process may still have to import its app


def tell_now(port: int) -> None:
    """Send the instant of this call to a UDP port of this machine."""
    now = time.monotonic_ns().to_bytes(8)  # a clock that all processes share
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(now, ("127.0.0.1", port))


class Arrivals:
    """A UDP port of this machine for as long as the context lasts."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.settimeout(SILENCE_S)
        self._sock.bind(("127.0.0.1", 0))
        self.port: int = self._sock.getsockname()[1]

    def __enter__(self) -> Self:
        """Listen."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self._sock.close()

    def next_at(self) -> int:
        """Wait for the next handler; return when it ran, in ns of the monotonic clock.

        Raises:
            TimeoutError: none did, for as long as `SILENCE_S`.
        """
        return int.from_bytes(self._sock.recv(8))
