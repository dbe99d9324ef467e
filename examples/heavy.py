"""Work that is hard to stop, in processes that can be killed.

python -m taskqueue.supervisor --app examples.heavy:app

curl -X POST localhost:8080/tasks -H 'content-type: application/json' \\
     -d '{"action": "primes", "data": {"below": 1000000}}'
"""

import ctypes

from taskqueue import App, Context

app = App()


@app.task("primes", executor="process", timeout_s=30)
def primes(ctx: Context, below: int) -> dict[str, int]:
    """Count primes. In a thread it would slow down everything else in the service."""
    sieve = bytearray([1]) * below
    sieve[:2] = bytes(2)
    for n in range(2, int(below**0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, below, n)))
    return {"primes": sum(sieve)}


@app.task("endless", executor="process", timeout_s=0.5, max_attempts=2)
def endless(ctx: Context) -> None:
    """Never end. The process is killed half a second into each attempt."""
    while True:
        pass


@app.task("broken_library", executor="process")
def broken_library(ctx: Context) -> None:
    """Read memory that is not ours, as a faulty extension does. The task is dead after three."""
    ctypes.string_at(0)
