"""Messages to the service manager that started this process; see `sd_notify(3)`."""

import os
import socket
from collections.abc import Mapping
from typing import Self

from taskqueue.events import events

SEND_S = 1.0  # the manager reads at once; a full socket must not stop the service


class ServiceManager:
    """Receives the status of this process; without a manager, messages are dropped.

    Attributes:
        watchdog_s: it ends the process after this time without `WATCHDOG=1`; None: never.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        """Use the datagram socket at `address`; a leading `@` means an abstract socket."""
        self._address = address and address.replace("@", "\0", 1)
        self.watchdog_s = watchdog_s

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Return the manager at `NOTIFY_SOCKET`, with its watchdog if that is for this process."""
        address = environ.get("NOTIFY_SOCKET") or None
        if address is not None and address[0] not in "/@":
            address = None  # of a virtual machine
        return cls(address, _watchdog_s(environ) if address else None)

    def tell(self, *messages: str) -> None:
        """Send messages such as `READY=1`. A failure is only logged."""
        if self._address is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(SEND_S)
            try:
                sock.sendto("\n".join(messages).encode(), self._address)
            except OSError as error:
                events.warning("notify_failed", messages=messages, error=str(error))


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    limit = environ.get("WATCHDOG_USEC", "")
    is_ours = environ.get("WATCHDOG_PID") in {None, str(os.getpid())}
    return int(limit) / 1e6 if is_ours and limit.isdecimal() and int(limit) else None
