"""Shrinks a plan that fails."""

import time
from collections.abc import Awaitable, Callable

from tests.misdeeds.plan import Plan, smaller

# Tells whether a plan fails in the same way.
Fails = Callable[[Plan], Awaitable[bool]]


async def shrunk(plan: Plan, fails: Fails, *, within_s: float) -> Plan:
    """Return the smallest plan found that fails, after this many seconds at most."""
    end = time.monotonic() + within_s
    candidates = smaller(plan)
    while time.monotonic() < end:
        candidate = next(candidates, None)
        if candidate is None:
            break
        if await fails(candidate):
            plan, candidates = candidate, smaller(candidate)
    return plan
