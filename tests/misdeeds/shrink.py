"""From a plan that fails to the least one that still does."""

import time
from collections.abc import Awaitable, Callable

from tests.misdeeds.plan import Plan, smaller

# Whether a plan fails in the same way.
Fails = Callable[[Plan], Awaitable[bool]]


async def shrunk(plan: Plan, fails: Fails, *, within_s: float) -> Plan:
    """Return the least plan that was found to fail, in so many seconds at most."""
    end = time.monotonic() + within_s
    candidates = smaller(plan)
    while time.monotonic() < end:
        candidate = next(candidates, None)
        if candidate is None:
            break
        if await fails(candidate):
            plan, candidates = candidate, smaller(candidate)
    return plan
