"""Children that handlers fork: how to tell them from their parent, and what they must not keep.

A fork copies every descriptor. A child with the listening socket or the lock of the database would
keep the port or the file from the next service. With one of our pipes, it would hide our end from
the other side, or write into the pipe. Programs started by exec inherit none of these: the
descriptors are close-on-exec.
"""

import os
import socket
from contextlib import suppress
from typing import Protocol, TypeVar
from weakref import WeakSet

from taskqueue.process import origin


class Closable(Protocol):
    """Owner of a descriptor."""

    def close(self) -> object:
        """Close it; harmless when repeated."""
        ...


C = TypeVar("C", bound=Closable)

_ours: WeakSet[Closable] = WeakSet()
_generation = 0


def generation() -> int:
    """Return a number that no child of `os.fork` shares with its parent.

    Asking the system for the number of the process takes far longer.
    """
    return _generation


def close_in_children(resource: C) -> C:
    """Close `resource` in every child that is forked from now on; return it."""
    _ours.add(resource)
    return resource


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets, closed in children.

    They block without limit even if the app has called `socket.setdefaulttimeout`: that would make
    the descriptor itself non-blocking, also for the process at the other end.
    """
    origin.keep_streams()
    pair = socket.socketpair()
    for end in pair:
        end.setblocking(True)
        close_in_children(end)
    return pair


def _begin_anew() -> None:
    global _generation  # noqa: PLW0603 - it belongs to the process
    _generation += 1
    for resource in list(_ours):
        with suppress(Exception):  # the child belongs to user code: nothing of ours may end it
            resource.close()
    _ours.clear()


os.register_at_fork(after_in_child=_begin_anew)
