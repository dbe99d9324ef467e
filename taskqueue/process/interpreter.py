"""How the interpreter is set up for a process that is a service and does nothing else."""

import asyncio
import gc
import sys
from time import monotonic, perf_counter, sleep
from typing import Never

from taskqueue.clock import next_beat

# A thread that computes keeps the interpreter until another one has waited for so long. Python's
# own interval is 5 ms. A task passes the interpreter on about ten times, from loop to loop.
SHORT_S = 0.0002

# One that computes keeps it for so long whenever it is offered. The loops of a busy service seldom
# do, because each looks for events in every turn.
PROBE_S = 0.002
OFFERED_S = 0.0002  # long enough for a waiting thread to wake up
PERIOD_S = 0.5


def tune_gc() -> None:
    """Have the garbage collector run less often.

    What is there once the service runs stays to its end, and of what a task makes next to nothing
    is part of a cycle; Python's own thresholds are for programs that make less.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def adapt_switch_interval() -> Never:
    """Have threads pass the interpreter on sooner while one of them computes.

    Not always: the loops of a busy service would interrupt each other, and it would take two thirds
    more of a processor.
    """
    usual_s = sys.getswitchinterval()
    was_held = False
    try:
        while True:
            is_held = _held_s() >= PROBE_S
            sys.setswitchinterval(min(SHORT_S, usual_s) if was_held and is_held else usual_s)
            was_held = is_held
            await asyncio.sleep(next_beat(monotonic(), PERIOD_S) - monotonic())
    finally:
        sys.setswitchinterval(usual_s)


def _held_s() -> float:
    """Offer the interpreter to the other threads; return for how long it was kept."""
    sys.setswitchinterval(PROBE_S)
    wanted_at = perf_counter() + OFFERED_S
    sleep(OFFERED_S)
    return perf_counter() - wanted_at
