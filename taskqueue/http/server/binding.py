"""Binds the socket that the gateways listen on."""

import encodings.idna  # noqa: F401 - a look-up imports it, with the user's folder on the path
import errno
import socket
from typing import Any

from taskqueue.errors import Fault, ServiceNotStarted
from taskqueue.http.server.listener import BACKLOG
from taskqueue.process.forks import close_in_children


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port` (0: a free one).

    Connections wait in its backlog while no gateway runs: before the first one is up, and between
    two lives of it.

    Raises:
        ServiceNotStarted: the address is in use, or not ours.
    """
    family, address = _resolved(host, port)
    listener = close_in_children(socket.socket(family, socket.SOCK_STREAM))
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refusal("port", _why(host, port, error)) from error
    return listener


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Return the host and the port of a socket; of a Unix socket its path and 0."""
    name = listener.getsockname()
    return (name, 0) if listener.family == socket.AF_UNIX else name[:2]


def url_of(address: tuple[str, int]) -> str:
    """Return where a service listens, as `http://127.0.0.1:8080` or `unix:///run/t.sock`.

    >>> url_of(("::1", 8080)), url_of(("/run/t.sock", 0))
    ('http://[::1]:8080', 'unix:///run/t.sock')
    """
    host, port = address
    if not port:
        return f"unix://{host}"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _resolved(host: str, port: int) -> tuple[int, Any]:
    try:
        [family, _, _, _, address], *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise _refusal("host", f"cannot resolve {host}: {error.strerror}") from error
    return family, address


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"another program listens on {host}:{port}; stop it, or choose another port"
    return f"cannot listen on {host}:{port}: {error.strerror}"


def _refusal(field: str, message: str) -> ServiceNotStarted:
    return ServiceNotStarted((Fault(field, message),))
