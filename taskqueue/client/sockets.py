"""What to do about a Unix socket that a client cannot connect to."""

import errno


def advice(path: str, error: OSError) -> str:
    """Return why there is no connection to the socket at `path`, and what to do about it.

    >>> advice("/run/tq.sock", ConnectionRefusedError(111, "Connection refused"))
    'no service listens on /run/tq.sock any more; start it again'
    """
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
