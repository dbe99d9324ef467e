"""Calls a function in a fresh process, which imports the function's module and little else.

A process of `multiprocessing` would import the whole program first, however little is called.
"""

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def apart(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function`, one of a module, and return what it returns. It must not print.

    Raises:
        CalledProcessError: it raised; the traceback is on standard error.
    """
    call = pickle.dumps((function, args, kwargs))
    command = [sys.executable, "-m", __name__]
    ended = subprocess.run(command, input=call, stdout=subprocess.PIPE, check=True)
    result: R = pickle.loads(ended.stdout)
    return result


def _do() -> None:
    function, args, kwargs = pickle.load(sys.stdin.buffer)
    pickle.dump(function(*args, **kwargs), sys.stdout.buffer)


if __name__ == "__main__":
    _do()
