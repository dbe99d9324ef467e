"""Messages to the service manager that has started this process, as `sd_notify(3)` defines them."""

import os
import socket
from collections.abc import Mapping
from typing import Self

from taskqueue.events import events

SEND_S = 1.0  # the manager reads at once; a full socket must not stop the service


class ServiceManager:
    """Receives what this process says about itself; without a manager, nothing receives it.

    Attributes:
        watchdog_s: after so many seconds without `WATCHDOG=1` it ends the process; None: never.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        """Make it for the datagram socket at `address`; `@` stands for an abstract one."""
        self._address = address and address.replace("@", "\0", 1)
        self.watchdog_s = watchdog_s

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Return the manager that `NOTIFY_SOCKET` names, with its watchdog if that is for us."""
        address = environ.get("NOTIFY_SOCKET") or None
        if address is not None and address[0] not in "/@":
            address = None  # of a virtual machine
        return cls(address, _watchdog_s(environ) if address else None)

    def tell(self, *messages: str) -> None:
        """Send messages such as `READY=1`. One that does not arrive is logged, nothing more."""
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
