"""Takes back what a handler has done to the signals of its process.

Python runs a signal handler between any two instructions of the main thread, and what it raises is
raised there. If it outlived its attempt, it would fail or crash that of another task.
"""

# Not `signal`: that makes enum members of all numbers, which takes a hundred times as long.
import _signal  # type: ignore[import-not-found]  # typeshed leaves it out
from collections.abc import Set
from typing import Any


class Signals:
    """The signal handlers and the mask of this process, as they are when this is made."""

    def __init__(self) -> None:
        self._mask: Set[int] = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        handlers = {number: _signal.getsignal(number) for number in _signal.valid_signals()}
        # None: it was set by a library in C, and cannot be set from Python.
        self._handlers: dict[int, Any] = {
            number: handler for number, handler in handlers.items() if handler is not None
        }

    def restore(self) -> None:
        """Set them as they were, and stop the timer of `signal.alarm`."""
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)
        for number, handler in self._handlers.items():
            if _signal.getsignal(number) is not handler:
                _signal.signal(number, handler)
