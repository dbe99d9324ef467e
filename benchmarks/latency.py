"""How long it takes from a request until its handler runs: one request at a time."""

import socket
import time

from benchmarks.apart import apart
from benchmarks.arrivals import Arrivals
from benchmarks.load import WARM_UP, post, require_accepted
from benchmarks.serial_posts import answer_of

IDLE_S = 0.005  # so that the server has nothing left to do


def latencies_ms(port: int, seconds: float) -> list[float]:
    """Return the ms from before each `POST /tasks` to inside its handler, from a fresh process."""
    return apart(_latencies_ms, port, seconds)


def _latencies_ms(port: int, seconds: float) -> list[float]:
    with Arrivals() as arrivals, socket.create_connection(("127.0.0.1", port)) as sock:
        request = post("/tasks", {"action": "tell", "data": {"port": arrivals.port}})
        for _ in range(WARM_UP):
            _latency_ms(sock, request, arrivals)
        found, ends_at = [_latency_ms(sock, request, arrivals)], time.monotonic() + seconds
        while time.monotonic() < ends_at:
            found.append(_latency_ms(sock, request, arrivals))
        return found


def _latency_ms(sock: socket.socket, request: bytes, arrivals: Arrivals) -> float:
    time.sleep(IDLE_S)
    sent_at = time.monotonic_ns()
    sock.sendall(request)
    next_at = arrivals.next_at()
    require_accepted(answer_of(sock))
    return (next_at - sent_at) / 1e6
