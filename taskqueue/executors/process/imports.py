"""What a worker process can import, whatever a handler has removed."""

import sys

_MODULES = sys.modules  # the interpreter's own: user code may replace the attribute


class Imports:
    """The import path and the modules with which a worker began.

    They are put back after each attempt: the next one in this process may need them, and so does
    the worker itself. What a handler adds or replaces stays.
    """

    def __init__(self) -> None:
        self._path = tuple(sys.path)
        self._modules = dict(_MODULES)

    def restore(self) -> None:
        """Put back what is missing."""
        path: object = sys.path
        # By their types: comparing an object runs its code.
        given = [each for each in path if type(each) is str] if type(path) is list else []
        if not set(self._path).issubset(given):
            sys.path = [*self._path, *(each for each in given if each not in self._path)]
        if not _MODULES.keys() >= self._modules.keys():
            _MODULES.update({k: v for k, v in self._modules.items() if k not in _MODULES})
