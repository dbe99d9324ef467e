"""How handlers tell when they begin and end: over a connection that no fault of the disk concerns.

What was sent arrives, even if the process is killed at the next instruction.
"""

import contextlib
import fcntl
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from taskqueue.verification.evidence import Begun, Over, encode

PORT = "VERIFICATION_PORT"
"""The variable with the port of the loopback interface at which the evidence is collected."""

NODE = "VERIFICATION_NODE"
"""The variable with the name of this service, if there are several."""

ALIVE = Path("alive")
"""A file for each process, in its working folder, that is locked for as long as it lives."""


class _Voice:
    """The connection of this process, and its sign of life."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.name = f"{self.pid}-{uuid.uuid4().hex[:8]}"
        self._file = _locked(self.name)  # the kernel frees the lock
        self._dead: set[str] = set()
        self._sending = threading.Lock()
        self._socket = socket.create_connection(("127.0.0.1", int(os.environ[PORT])))

    def say(self, what: Begun | Over) -> None:
        with self._sending:
            self._socket.sendall(encode(what) + b"\n")

    def others_alive(self) -> tuple[str, ...]:
        names = {path.name for path in ALIVE.iterdir()} - self._dead - {self.name}
        alive = tuple(name for name in names if _is_locked(ALIVE / name))
        self._dead |= names.difference(alive)
        return alive


_voice: _Voice | None = None
_finding = threading.Lock()


@contextlib.contextmanager
def witnessed(task: str, *keys: str) -> Iterator[None]:
    """Tell when the handler of a task begins, and when it ends; `keys` are those of its limits."""
    voice, run, at = _own_voice(), uuid.uuid4().hex, time.monotonic()
    voice.say(_begun(voice, run, task, keys, at))
    try:
        yield
    finally:
        voice.say(Over(run=run, at=time.monotonic()))


def _begun(voice: _Voice, run: str, task: str, keys: Sequence[str], at: float) -> Begun:
    return Begun(
        run=run,
        task=task,
        keys=tuple(keys),
        process=voice.name,
        at=at,
        beside=voice.others_alive(),
        node=os.environ.get(NODE, ""),
    )


def _own_voice() -> _Voice:
    global _voice  # noqa: PLW0603 - there is one for each process
    with _finding:
        if _voice is None or _voice.pid != os.getpid():  # it was forked
            _voice = _Voice()
        return _voice


def _locked(name: str) -> int:
    """Create a file that is locked before others can see it."""
    ALIVE.mkdir(exist_ok=True)
    hidden = ALIVE.with_name(f".{name}")
    file = os.open(hidden, os.O_CREAT | os.O_RDWR)
    fcntl.lockf(file, fcntl.LOCK_EX)  # of this process alone: what it forks has no share in it
    hidden.rename(ALIVE / name)
    return file


def _is_locked(path: Path) -> bool:
    file = os.open(path, os.O_RDWR)
    try:
        os.lockf(file, os.F_TEST, 0)
    except OSError:  # by another process
        return True
    else:
        return False
    finally:
        os.close(file)
