"""One caller that posts one task after the other, on one connection that is kept."""

import gc
import socket
from collections.abc import Callable
from time import perf_counter

from benchmarks import raw_commits
from benchmarks.apart import apart
from benchmarks.load import WARM_UP, is_whole, require_accepted


def posts_ms(port: int, request: bytes, seconds: float) -> list[float]:
    """Return how long each request took to be answered, in ms, from a fresh process."""
    return apart(_posts_ms, port, request, seconds)


def posts_and_commits_ms(port: int, request: bytes, seconds: float) -> list[float]:
    """Return the same, each with a commit of one row by this process after it."""
    return apart(_posts_and_commits_ms, port, request, seconds)


def _posts_ms(port: int, request: bytes, seconds: float) -> list[float]:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        return _samples_ms(lambda: _post(sock, request), seconds)


def _posts_and_commits_ms(port: int, request: bytes, seconds: float) -> list[float]:
    with (
        socket.create_connection(("127.0.0.1", port)) as sock,
        raw_commits.committing() as commit,
    ):

        def post_and_commit() -> None:
            _post(sock, request)
            commit()

        return _samples_ms(post_and_commit, seconds)


def _samples_ms(once: Callable[[], object], seconds: float) -> list[float]:
    gc.disable()  # it would be counted as time that the server took, and there is no garbage
    for _ in range(WARM_UP):
        once()
    found: list[float] = []
    ends_at = perf_counter() + seconds
    while perf_counter() < ends_at or not found:
        began = perf_counter()
        once()
        found.append(1e3 * (perf_counter() - began))
    return found


def _post(sock: socket.socket, request: bytes) -> None:
    sock.sendall(request)
    require_accepted(answer_of(sock))


def answer_of(sock: socket.socket) -> bytes:
    """Read one answer, whole."""
    answer = b""
    while not is_whole(answer):
        answer += sock.recv(65_536)
    return answer
