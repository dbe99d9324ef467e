"""The URL of a Unix socket, as the service and its clients read it."""

import os

UNIX_URL = "unix://"
MAX_SOCKET_PATH = 107  # bytes; of Linux, without the NUL
UNIX_EXPECTED = (
    f"{UNIX_URL} with an absolute path of {MAX_SOCKET_PATH} bytes at most "
    "(unix:///run/taskqueue/taskqueue.sock)"
)


def socket_path(url: str) -> str | None:
    """Return the path of a Unix socket, None if the URL is not that of one.

    >>> socket_path("unix:///run/taskqueue.sock"), socket_path("unix://relative.sock")
    ('/run/taskqueue.sock', None)
    """
    path = url.removeprefix(UNIX_URL)
    is_fit = url.startswith(UNIX_URL) and path.startswith("/") and not path.endswith("/")
    return path if is_fit and "\0" not in path and _is_short(path) else None


def _is_short(path: str) -> bool:
    try:
        return len(os.fsencode(path)) <= MAX_SOCKET_PATH
    except UnicodeEncodeError:
        return False
