"""Why a client cannot connect, and what to do about a Unix socket."""

import errno
import os


def advice(path: str | None, error: OSError) -> str:
    """Return why there is no connection, and what to do about the socket at `path`, if it is one.

    >>> advice(None, ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 8080)"))
    'cannot connect: Connection refused'
    >>> advice("/run/tq.sock", ConnectionRefusedError(111, "Connection refused"))
    'no service listens on /run/tq.sock any more; start it again'
    """
    if path is None:
        return f"cannot connect: {_words(error)}"
    match error.errno:
        case errno.ENOENT:
            return f"there is no {path}; start the service with --listen unix://{path}"
        case errno.EACCES | errno.EPERM:
            return (
                f"this user may not connect to {path}; start the service with --socket-mode 0660 "
                "and be in its group, and have the right to search the folder"
            )
        case errno.ECONNREFUSED:
            return f"no service listens on {path} any more; start it again"
        case _:
            return f"cannot connect to {path}: {error.strerror or error}"


def _words(error: OSError) -> str:
    """Return the words of the system; asyncio replaces them when a connection is refused."""
    words = error.strerror or str(error)
    if error.errno is not None and words.startswith("Connect call failed"):
        return os.strerror(error.errno)
    return words
