"""The limit of open file descriptors: each connection has one."""

import contextlib
import resource


def raise_limit() -> None:
    """Let this process have as many descriptors as it may without being root."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems say that there is no limit and refuse to be taken at their word.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int:
    """Return how many descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY if soft == resource.RLIM_INFINITY else soft


_MANY = 1 << 20
